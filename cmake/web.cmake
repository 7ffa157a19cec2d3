# The HTML report's assets: uPlot from the package registry by lock file (never copied into the tree), joined with our
# own script and style, and embedded by .incbin. One stamp per step: npm runs only when the lock file changes.
find_program(CGR_NODE NAMES node nodejs REQUIRED)
find_program(CGR_NPM NAMES npm REQUIRED)
set(CGR_WEB_SOURCE ${CMAKE_SOURCE_DIR}/reports/web)
set(CGR_WEB ${CMAKE_BINARY_DIR}/web)

# npm ci SOURCE-FOLDER into BUILD-FOLDER; the stamp is what other rules depend on
function(cgr_npm source build)
	add_custom_command(OUTPUT ${build}/npm.stamp
		COMMAND ${CMAKE_COMMAND} -E make_directory ${build}
		COMMAND ${CMAKE_COMMAND} -E copy ${source}/package.json ${source}/package-lock.json ${source}/.npmrc ${build}
		COMMAND ${CGR_NPM} ci --prefix ${build} --ignore-scripts --loglevel=error
		COMMAND ${CMAKE_COMMAND} -E touch ${build}/npm.stamp
		DEPENDS ${source}/package.json ${source}/package-lock.json ${source}/.npmrc
		WORKING_DIRECTORY ${CMAKE_BINARY_DIR}
		COMMENT "npm ci ${source}" VERBATIM)
endfunction()

file(MAKE_DIRECTORY ${CGR_WEB})
cgr_npm(${CGR_WEB_SOURCE} ${CGR_WEB}/npm)
file(GLOB web_sources CONFIGURE_DEPENDS ${CGR_WEB_SOURCE}/*.mjs ${CGR_WEB_SOURCE}/js/*.js ${CGR_WEB_SOURCE}/*.css
	${CGR_WEB_SOURCE}/*.html)
set(web_assets ${CGR_WEB}/report.js ${CGR_WEB}/report.css ${CGR_WEB}/report.html ${CGR_WEB}/csp.txt)
add_custom_command(OUTPUT ${web_assets}
	COMMAND ${CGR_NODE} ${CGR_WEB_SOURCE}/build.mjs ${CGR_WEB_SOURCE} ${CGR_WEB}/npm/node_modules ${CGR_WEB}
	DEPENDS ${CGR_WEB}/npm/npm.stamp ${web_sources}
	COMMENT "joining the report's script and style" VERBATIM)
target_sources(cgr_reports PRIVATE ${CMAKE_SOURCE_DIR}/reports/assets.S)
set_source_files_properties(${CMAKE_SOURCE_DIR}/reports/assets.S PROPERTIES
	OBJECT_DEPENDS "${web_assets}" COMPILE_OPTIONS "-Wa,-I${CGR_WEB}")
add_custom_target(cgr_web DEPENDS ${web_assets})
add_dependencies(cgr_reports cgr_web)
