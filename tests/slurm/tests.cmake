# A sweep as a Slurm job array, on a cluster of one node on loopback. Skips where Slurm is not installed.
add_test(NAME slurm COMMAND bash ${CMAKE_SOURCE_DIR}/tests/slurm/slurm.sh $<TARGET_FILE:cgreplay> ${CMAKE_SOURCE_DIR})
set_tests_properties(slurm PROPERTIES LABELS slurm TIMEOUT 300 SKIP_RETURN_CODE 77)
