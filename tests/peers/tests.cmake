add_test(NAME peers COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/peers.sh $<TARGET_FILE:cgreplay>)
set_tests_properties(peers PROPERTIES TIMEOUT 120 SKIP_RETURN_CODE 77)
