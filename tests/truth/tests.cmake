# The workload programs of the truth tests: one static binary, so that it runs in the guest as well.
file(GLOB load_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/workloads/*.c)
add_executable(cgr-load ${load_sources})
target_compile_options(cgr-load PRIVATE -O2 -Wall -Wextra -Wshadow -Wconversion -D_GNU_SOURCE)
if(CGR_WERROR)
	target_compile_options(cgr-load PRIVATE -Werror)
endif()
target_link_options(cgr-load PRIVATE -static -pthread)

# The table maker of the truth tests.
add_executable(cgr-truth-table ${CMAKE_CURRENT_LIST_DIR}/table/main.c ${CMAKE_CURRENT_LIST_DIR}/table/rows.c
	${CMAKE_CURRENT_LIST_DIR}/table/summary.c)
target_link_libraries(cgr-truth-table PRIVATE cgr_flags PkgConfig::JANSSON m)

# The subset that CI runs on a machine where the real kernel can be asked; elsewhere it says SKIP with the reason.
foreach(table cpu memory)
	add_test(NAME truth_${table} COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/truth.sh ${table} --quick --repeats 2 --fresh)
	set_tests_properties(truth_${table} PROPERTIES LABELS truth TIMEOUT 600 SKIP_RETURN_CODE 77 RUN_SERIAL ON
		ENVIRONMENT "CGR_BUILD=${CMAKE_BINARY_DIR};CGR_TRUTH_DIR=${CMAKE_BINARY_DIR}/truth-quick")
endforeach()
add_test(NAME truth_table COMMAND bash ${CMAKE_CURRENT_LIST_DIR}/table-test.sh $<TARGET_FILE:cgr-truth-table>)
