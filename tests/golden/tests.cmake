add_test(NAME golden COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/run.sh $<TARGET_FILE:cgreplay>)
set_tests_properties(golden PROPERTIES TIMEOUT 300 FIXTURES_REQUIRED report_stores)
