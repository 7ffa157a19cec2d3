# What the documents tell a reader to run does what they print.
add_test(NAME docs COMMAND bash ${CMAKE_SOURCE_DIR}/tests/docs/docs.sh $<TARGET_FILE:cgreplay> ${CMAKE_SOURCE_DIR})
set_tests_properties(docs PROPERTIES LABELS cli TIMEOUT 300)
# The pipelines of docs/ci as they are printed: their script lines, run where the job would run. Skips without root and tracefs.
add_test(NAME docs_ci
	COMMAND bash ${CMAKE_SOURCE_DIR}/tests/docs/pipeline.sh $<TARGET_FILE:cgreplay> $<TARGET_FILE:cgr-load>)
set_tests_properties(docs_ci PROPERTIES LABELS kernel SKIP_RETURN_CODE 77 TIMEOUT 300 RUN_SERIAL ON)
