# A real C project for the overhead measurement: every twelfth of our own sources, or every EVERYth, compiled file by file.
# Taken evenly from all folders: the smallest sources alone spend far more of their time in page faults (of the compiler's
# start) than a project does, 51,000 a second of CPU time for the first eight of common/ against 29,000 for the whole.
EVERY ?= 12
folders := capture cli common model model/cpu model/lib model/memory model/reclaim parser replay reports store
sources := $(shell printf '%s\n' $(sort $(wildcard $(folders:%=$(TOP)/%/*.c))) | awk 'NR % $(EVERY) == 0')
objects := $(patsubst $(TOP)/%.c,$(OUT)/%.o,$(sources))
libraries := $(shell pkg-config --cflags libtraceevent libtracefs)
all: $(objects)
$(OUT)/%.o: $(TOP)/%.c
	@mkdir -p $(dir $@)
	gcc -std=gnu17 -O2 -D_GNU_SOURCE -DCGR_VERSION='"x"' -I$(TOP) -I$(GENERATED) $(libraries) -c $< -o $@
