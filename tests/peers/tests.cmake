add_test(NAME peers COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/peers.sh $<TARGET_FILE:cgreplay>)
set_tests_properties(peers PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
add_test(NAME segments COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/segments.sh $<TARGET_FILE:cgreplay> $<TARGET_FILE:cgr-load>)
set_tests_properties(segments PROPERTIES TIMEOUT 400 SKIP_RETURN_CODE 77)
