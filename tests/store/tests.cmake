add_library(cgr-kill-at MODULE ${CMAKE_CURRENT_LIST_DIR}/kill_at.c)
set_target_properties(cgr-kill-at PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_compile_definitions(cgr-kill-at PRIVATE _GNU_SOURCE)
target_link_libraries(cgr-kill-at PRIVATE ${CMAKE_DL_LIBS})
add_test(NAME import-kill COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/kill.sh $<TARGET_FILE:cgreplay> $<TARGET_FILE:cgr-kill-at>
	${CMAKE_SOURCE_DIR}/samples/oom-ramp.dat)
set_tests_properties(import-kill PROPERTIES TIMEOUT 300)
add_test(NAME dying COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/dying.sh $<TARGET_FILE:cgreplay>)
set_tests_properties(dying PROPERTIES TIMEOUT 60 SKIP_RETURN_CODE 77)
