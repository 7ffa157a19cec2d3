# bench_memory: the memory model's own speed; run by hand or by bench.sh, no test.
add_executable(bench_memory ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_memory.c)
target_include_directories(bench_memory PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(bench_memory PRIVATE cgr_flags cgr_replay cgr_model cgr_store cgr_common PkgConfig::CMOCKA Threads::Threads)
# bench_store: event store writing, reading, bytes per event on synthetic events; run by hand, no test.
add_executable(bench_store ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_store.c)
target_include_directories(bench_store PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(bench_store PRIVATE cgr_flags cgr_store cgr_common Threads::Threads)
# bench_replay: recordings replayed beside real time; run by bench.sh, no test.
add_executable(bench_replay ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_replay.c)
target_include_directories(bench_replay PRIVATE ${CMAKE_SOURCE_DIR})
target_link_libraries(bench_replay PRIVATE cgr_flags cgr_store cgr_common Threads::Threads)
# bench_events: what single trace events cost, by filter and option; run by hand as root, no test.
add_executable(bench_events ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_events.c)
target_link_libraries(bench_events PRIVATE cgr_flags Threads::Threads)
