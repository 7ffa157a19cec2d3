add_test(NAME fail COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/run.sh $<TARGET_FILE:cgreplay>)
set_tests_properties(fail PROPERTIES TIMEOUT 120)
add_test(NAME hostile COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/hostile.sh $<TARGET_FILE:cgreplay>
	${CMAKE_SOURCE_DIR}/samples/spinner.dat)
set_tests_properties(hostile PROPERTIES TIMEOUT 600)
