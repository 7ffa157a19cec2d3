# Very many very small jobs: each starts a shell and two programs.
jobs := $(shell seq 1 90)
all: $(jobs)
$(jobs):
	@seq 1 $$(($@ * 25)) | awk '{ s += $$1 * $$1 } END { print s }' >/dev/null
.PHONY: all $(jobs)
