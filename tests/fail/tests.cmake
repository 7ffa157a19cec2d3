add_test(NAME fail COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/run.sh $<TARGET_FILE:cgreplay>)
set_tests_properties(fail PROPERTIES TIMEOUT 120)
