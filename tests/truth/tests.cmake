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
