# The packages, installed into an empty root and used there.
add_test(NAME packages COMMAND bash ${CMAKE_SOURCE_DIR}/tests/packages/packages.sh ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
set_tests_properties(packages PROPERTIES LABELS packages TIMEOUT 300)
