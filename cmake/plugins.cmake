# Registries made from the files that are there, as the kernel makes its controllers from one list of SUBSYS() lines:
# model/cpu/foo.c must define `const struct cgr_cpu_ops cgr_cpu_foo`, and that is all it takes to appear in `cgreplay models`.
function(cgr_list output prefix folder pattern)
	file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/${pattern}*.c)
	list(SORT files)
	set(text "/* made by cmake from the files in ${folder}/ */\n")
	foreach(file ${files})
		get_filename_component(name ${file} NAME_WE)
		if(NOT pattern STREQUAL "")
			string(REGEX REPLACE "^${pattern}" "" name ${name})
		endif()
		string(APPEND text "${prefix}(${name})\n")
	endforeach()
	file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/${output} CONTENT "${text}" @ONLY)
endfunction()
cgr_list(cpu_models.def CGR_CPU_MODEL model/cpu "")
cgr_list(memory_models.def CGR_MEMORY_MODEL model/memory "")
cgr_list(reclaim_models.def CGR_RECLAIM_MODEL model/reclaim "")
cgr_list(commands.def CGR_COMMAND cli cmd_) # cli/cmd_foo.c defines const struct cgr_command cgr_command_foo
