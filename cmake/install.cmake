# install rules and packages: component runtime (program, manual, completion), component dev (what an out-of-tree model
# is built against). `cpack -G DEB` in the build folder makes cgreplay_*.deb and cgreplay-dev_*.deb.
install(TARGETS cgreplay RUNTIME COMPONENT runtime)

# --- manual: docs/man/NAME.scd with the options put in from the program's own tables
find_program(CGR_SCDOC scdoc)
find_program(CGR_GZIP gzip)
set(man_source ${CMAKE_SOURCE_DIR}/docs/man)
set(man_build ${CMAKE_BINARY_DIR}/man)
file(MAKE_DIRECTORY ${man_build})
file(GLOB man_pages CONFIGURE_DEPENDS ${man_source}/*.scd)
set(man_files)
if(NOT CGR_SCDOC OR NOT CGR_GZIP)
	message(STATUS "no manual: it needs scdoc and gzip (Debian packages of these names)")
	set(man_pages)
endif()
foreach(page ${man_pages})
	get_filename_component(name ${page} NAME)
	string(REGEX REPLACE "\\.scd$" "" name ${name})
	set(section 1)
	if(name MATCHES "^(.*)\\.([0-9])$")
		set(name ${CMAKE_MATCH_1})
		set(section ${CMAKE_MATCH_2})
	endif()
	string(REGEX REPLACE "^cgreplay-?" "" command ${name})
	# a page for a command that this tree does not have would promise too much
	if(section EQUAL 1 AND NOT command STREQUAL "" AND NOT EXISTS ${CMAKE_SOURCE_DIR}/cli/cmd_${command}.c)
		continue()
	endif()
	set(out ${man_build}/${name}.${section}.gz)
	set(source_command "cat ${page}")
	if(section EQUAL 1)
		set(source_command "sh ${man_source}/make.sh $<TARGET_FILE:cgreplay> ${page}")
	endif()
	add_custom_command(OUTPUT ${out}
		COMMAND sh -c "set -e; ${source_command} > ${man_build}/${name}.scd; SOURCE_DATE_EPOCH=\${SOURCE_DATE_EPOCH:-1767225600} ${CGR_SCDOC} < ${man_build}/${name}.scd | ${CGR_GZIP} -9n > ${out}"
		DEPENDS ${page} ${man_source}/make.sh cgreplay
		COMMENT "manual ${name}(${section})" VERBATIM)
	list(APPEND man_files ${out})
	install(FILES ${out} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT runtime)
endforeach()
add_custom_target(cgr_man ALL DEPENDS ${man_files})

# --- completion
set(completion_build ${CMAKE_BINARY_DIR}/completion)
file(MAKE_DIRECTORY ${completion_build})
foreach(shell bash zsh fish)
	add_custom_command(OUTPUT ${completion_build}/${shell}
		COMMAND sh -c "$<TARGET_FILE:cgreplay> completion ${shell} > ${completion_build}/${shell}"
		DEPENDS cgreplay COMMENT "completion for ${shell}" VERBATIM)
endforeach()
add_custom_target(cgr_completion ALL
	DEPENDS ${completion_build}/bash ${completion_build}/zsh ${completion_build}/fish)
install(FILES ${completion_build}/bash RENAME cgreplay COMPONENT runtime
	DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${completion_build}/zsh RENAME _cgreplay COMPONENT runtime
	DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions)
install(FILES ${completion_build}/fish RENAME cgreplay.fish COMPONENT runtime
	DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

# --- what a model outside this tree needs: the public headers, under their own folder, found by pkg-config
set(CGR_INCLUDE ${CMAKE_INSTALL_INCLUDEDIR}/cgreplay)
install(FILES model/model.h model/reclaim.h DESTINATION ${CGR_INCLUDE}/model COMPONENT dev)
install(FILES common/event.h common/events.def DESTINATION ${CGR_INCLUDE}/common COMPONENT dev)
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/cgr-model.pc @ONLY CONTENT
"prefix=\${pcfiledir}/../..
includedir=\${prefix}/@CGR_INCLUDE@

Name: cgr-model
Description: Headers for cgreplay models built outside its tree
Version: @PROJECT_VERSION@
Cflags: -I\${includedir}
")
install(FILES ${CMAKE_BINARY_DIR}/cgr-model.pc DESTINATION ${CMAKE_INSTALL_DATADIR}/pkgconfig COMPONENT dev)
install(DIRECTORY docs/ci docs/slurm DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT runtime USE_SOURCE_PERMISSIONS)
install(FILES docs/ARCHITECTURE.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
file(GLOB model_guide ${CMAKE_SOURCE_DIR}/docs/writing-a-model.md)
install(FILES ${model_guide} DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/cgreplay-dev COMPONENT dev)

# --- packages: what Debian's policy wants in each
set(debian_build ${CMAKE_BINARY_DIR}/debian)
foreach(component runtime dev)
	set(package cgreplay)
	if(component STREQUAL dev)
		set(package cgreplay-dev)
	endif()
	file(READ docs/debian/lintian-overrides overrides)
	string(REGEX REPLACE "\n([a-z])" "\n${package}: \\1" overrides "${overrides}")
	file(CONFIGURE OUTPUT ${debian_build}/${package} CONTENT "${overrides}")
	install(FILES ${debian_build}/${package} DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides COMPONENT ${component})
	install(FILES docs/debian/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
	if(CGR_GZIP)
		install(FILES ${debian_build}/changelog.gz DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${package} COMPONENT ${component})
	endif()
endforeach()
if(CGR_GZIP)
	add_custom_command(OUTPUT ${debian_build}/changelog.gz DEPENDS ${CMAKE_SOURCE_DIR}/docs/debian/changelog
		COMMAND ${CGR_GZIP} -9nc ${CMAKE_SOURCE_DIR}/docs/debian/changelog >${debian_build}/changelog.gz)
	add_custom_target(cgr_changelog ALL DEPENDS ${debian_build}/changelog.gz)
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME cgreplay)
set(CPACK_PACKAGE_CONTACT "The cgreplay authors <cgreplay@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL runtime dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME cgreplay)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "Records scheduler and memory controller behaviour of a Linux machine once and
 predicts offline what other cgroup limits, weights, CPU counts or schedulers
 would have done, with an interval where it cannot be known exactly.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME cgreplay-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "cgreplay (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_DEV_DESCRIPTION "The public plug-in interface: memory controllers, reclaim policies and CPU
 schedulers as tables of functions, loaded with cgreplay --model ./mine.so.")
include(CPack)
