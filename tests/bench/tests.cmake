# bench_memory: the memory model's own speed; run by hand or by bench.sh, no test.
add_executable(bench_memory ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_memory.c)
target_include_directories(bench_memory PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(bench_memory PRIVATE cgr_flags cgr_model cgr_common PkgConfig::CMOCKA Threads::Threads)
