# make            build ./quiver and libquiver.a
# make check      build and run every test          (make check T=route: one)
# make lint       layers, sizes, banned calls, format, headers that compile alone
# SAN=address,undefined   build with sanitizers, in a directory of its own
# B=DIR           build there

CC      ?= gcc
SAN     ?=
B       ?= build/$(if $(SAN),$(subst $(comma),-,$(SAN)),release)
OPT     ?= $(if $(SAN),-O1,-O2)
comma   := ,
T       ?=

CPPFLAGS += -Iinclude -Isrc -Itests -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L
CPPFLAGS += -DPCRE2_CODE_UNIT_WIDTH=8
CFLAGS   += -std=c17 $(OPT) -g -fno-omit-frame-pointer -fopenmp -MMD -MP
CFLAGS   += -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
CFLAGS   += -Wconversion -Wsign-conversion -Wvla -Wundef -Wwrite-strings -Wcast-qual
CFLAGS   += -fno-math-errno $(WERROR)
ifneq ($(SAN),)
CFLAGS   += -fsanitize=$(SAN) -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=$(SAN)
endif
LDLIBS   += -ldnnl -llapacke -ljansson -lpcre2-8 -lutf8proc -lstemmer -lnettle -lm -fopenmp

# A module is a directory: adding a file needs no edit here.
SRC   := $(filter-out src/cli/%,$(wildcard src/*/*.c))
CLI   := $(wildcard src/cli/*.c)
SUP   := $(wildcard tests/support/*.c)
TESTS := $(patsubst %.c,$B/%,$(wildcard tests/unit/*_test.c tests/e2e/*_test.c))
BENCH := $(patsubst %.c,$B/%,$(wildcard bench/*.c))
EX    := $(patsubst %.c,$B/%,$(wildcard examples/*.c))
FUZZ  := $(patsubst %.c,$B/%,$(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c)))
obj    = $(patsubst %.c,$B/%.o,$1)

all: quiver
quiver: $B/quiver
	@ln -sf $< $@

$B/libquiver.a: $(call obj,$(SRC))
	@rm -f $@
	@ar rcs $@ $^

$B/quiver: $(call obj,$(CLI)) $B/libquiver.a
	@echo link $@
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Kernels are built for the machine they name; kern/dispatch.c picks one.
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
$B/src/kern/avx2.o: CFLAGS += -mavx2 -mfma -O3
$B/src/kern/avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512 -O3
endif

$B/%.o: %.c $B/flags
	@mkdir -p $(@D)
	@echo cc $<
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Rebuild everything when the compiler or its flags change.
$B/flags: FORCE
	@mkdir -p $B
	@echo '$(CC) $(CPPFLAGS) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(CPPFLAGS) $(CFLAGS)' > $@

$(TESTS): $B/%: $B/%.o $(call obj,$(SUP)) $B/libquiver.a
	@$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
$(BENCH) $(EX): $B/%: $B/%.o $B/libquiver.a
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$(FUZZ): $B/%: $B/%.o $B/tests/fuzz/replay.o $B/libquiver.a
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

check: $(TESTS) $(EX) $(FUZZ) quiver
	@CMOCKA_MESSAGE_OUTPUT=TAP QUIVER=$B/quiver prove -e '' $(or $(filter %$T_test,$(TESTS)),$(error no test named '$T'))

bench: $(BENCH)
clean:
	rm -rf build quiver

-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: all check bench clean lint FORCE
.SECONDARY:
