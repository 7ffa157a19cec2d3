add_test(NAME record COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/record.sh $<TARGET_FILE:cgreplay>)
set_tests_properties(record PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77 RUN_SERIAL ON LABELS kernel)
add_test(NAME record-baddays COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/baddays.sh $<TARGET_FILE:cgreplay> $<TARGET_FILE:cgr-load>)
set_tests_properties(record-baddays PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77 RUN_SERIAL ON LABELS kernel)
