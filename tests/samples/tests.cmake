# The bundled recordings against their measured outcomes.
add_test(NAME samples COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/check.sh ${CMAKE_BINARY_DIR})
set_tests_properties(samples PROPERTIES TIMEOUT 600)
