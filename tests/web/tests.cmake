# The report in a real browser: playwright-core by lock file drives the system's Chromium over pages that test_report
# made, and, when the whole chain is built, over a page of a bundled sample.
find_program(CGR_CHROMIUM NAMES chromium chromium-browser google-chrome)
set(web_tests ${CMAKE_BINARY_DIR}/web-tests)
cgr_npm(${CMAKE_SOURCE_DIR}/tests/web ${web_tests})
add_custom_target(cgr_web_tests ALL DEPENDS ${web_tests}/npm.stamp)
add_test(NAME report_in_browser
	COMMAND ${CGR_NODE} ${CMAKE_SOURCE_DIR}/tests/web/report.test.mjs ${web_tests} ${CMAKE_BINARY_DIR} ${CGR_CHROMIUM})
set_tests_properties(report_in_browser PROPERTIES LABELS browser TIMEOUT 300 FIXTURES_REQUIRED report_pages)
set_tests_properties(test_report PROPERTIES FIXTURES_SETUP report_pages)
