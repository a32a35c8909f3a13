# A short front for Meson. `make` alone builds build/lynex.
BUILD ?= build
all: $(BUILD)/build.ninja
	ninja -C $(BUILD)
$(BUILD)/build.ninja:
	meson setup $(BUILD)
.PHONY: all
