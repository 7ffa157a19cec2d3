/* The joined script, style, page skeleton and CSP of the HTML report (cmake/web.cmake makes the files). */
.macro asset name, file
	.global cgr_asset_\name
	.global cgr_asset_\name\()_end
	.type cgr_asset_\name, %object
cgr_asset_\name:
	.incbin "\file"
cgr_asset_\name\()_end:
	.byte 0
	.size cgr_asset_\name, . - cgr_asset_\name
.endm

	.section .rodata
	asset script, "report.js"
	asset style, "report.css"
	asset page, "report.html"
	asset csp, "csp.txt"
	.section .note.GNU-stack, "", %progbits
