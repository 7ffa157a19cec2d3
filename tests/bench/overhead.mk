# A real C project for the overhead measurement: eight of our own sources, compiled file by file.
sources := $(wordlist 1,8,$(sort $(wildcard $(TOP)/common/*.c)))
objects := $(patsubst $(TOP)/%.c,$(OUT)/%.o,$(sources))
all: $(objects)
$(OUT)/%.o: $(TOP)/%.c
	@mkdir -p $(dir $@)
	gcc -std=gnu17 -O2 -D_GNU_SOURCE -DCGR_VERSION='"x"' -I$(TOP) -I$(GENERATED) -c $< -o $@
