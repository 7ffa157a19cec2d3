# report, check and compare on results stores written by hand, so that they are tested without a kernel or a replay.
add_executable(cgr-make-stores ${CMAKE_SOURCE_DIR}/tests/reports/make_stores.c)
target_include_directories(cgr-make-stores PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(cgr-make-stores PRIVATE cgr_flags cgr_store cgr_common)
set(stores ${CMAKE_BINARY_DIR}/report-stores)
file(MAKE_DIRECTORY ${stores})
add_test(NAME report_stores COMMAND cgr-make-stores ${stores})
add_test(NAME report_cli COMMAND bash ${CMAKE_SOURCE_DIR}/tests/reports/cli.sh $<TARGET_FILE:cgreplay> ${stores})
set_tests_properties(report_stores PROPERTIES FIXTURES_SETUP report_stores LABELS unit)
set_tests_properties(report_cli PROPERTIES FIXTURES_REQUIRED report_stores LABELS cli TIMEOUT 120)
# On the running kernel: a planted regression is caught, unchanged pairs pass. Skips without root and tracefs.
add_test(NAME report_regression
	COMMAND bash ${CMAKE_SOURCE_DIR}/tests/reports/regression.sh $<TARGET_FILE:cgreplay> $<TARGET_FILE:cgr-load> 3)
set_tests_properties(report_regression PROPERTIES LABELS kernel SKIP_RETURN_CODE 77 TIMEOUT 300 RUN_SERIAL ON)
