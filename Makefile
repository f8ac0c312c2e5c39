# make            build ./quiver and libquiver.a
# make check      build and run every test           (make check T=route: one)
# make lint       layers, sizes, names, banned calls, headers alone, format
# make format     rewrite every C file as make lint wants it
# make fuzz T=safetensors SECONDS=60   look for new inputs with clang's libFuzzer
# make bench      build the programs of bench/; make tools, those of tools/
# SAN=address,undefined   build with sanitizers, in a directory of its own
# SAN=thread      the same, with clang, whose OpenMP the sanitizer understands
# WERROR=-Werror  B=DIR   refuse warnings; build in DIR

SAN     ?=
B       ?= build/$(if $(SAN),$(subst $(comma),-,$(SAN)),release)
OPT     ?= $(if $(SAN),-O1,-O2)
comma   := ,
T       ?=
SECONDS ?= 60
J       ?= 2

# gcc's OpenMP synchronises in ways the thread sanitizer cannot see, so that every
# loop looks like a race; clang's reports to it (libarcher), and only races remain.
ifeq ($(origin CC),default)
CC      := $(if $(filter thread fuzzer%,$(subst $(comma), ,$(SAN))),clang,gcc)
endif

CPPFLAGS += -Iinclude -Isrc -Itests -Ibench -D_DEFAULT_SOURCE -D_POSIX_C_SOURCE=200809L
CPPFLAGS += -DPCRE2_CODE_UNIT_WIDTH=8
CFLAGS   += -std=c17 $(OPT) -g -fno-omit-frame-pointer -fopenmp -MMD -MP
CFLAGS   += -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
CFLAGS   += -Wconversion -Wsign-conversion -Wvla -Wundef -Wwrite-strings -Wcast-qual
CFLAGS   += -fno-math-errno $(WERROR)
ifneq ($(SAN),)
CFLAGS   += -fsanitize=$(SAN) -fno-sanitize-recover=all
LDFLAGS  += -fsanitize=$(SAN)
endif
LDLIBS   += -ldnnl -llapacke -ljansson -lpcre2-8 -lutf8proc -lstemmer -lnettle -lnlopt \
            -lmicrohttpd -lm -fopenmp

# A module is a directory: adding a file needs no edit here.
SRC   := $(filter-out src/cli/%,$(wildcard src/*/*.c))
CLI   := $(wildcard src/cli/*.c)
SUP   := $(wildcard tests/support/*.c)
TESTS := $(patsubst %.c,$B/%,$(wildcard tests/unit/*_test.c tests/e2e/*_test.c))
BENCH := $(patsubst %.c,$B/%,$(wildcard bench/*.c))
TOOLS := $(patsubst %.c,$B/%,$(wildcard tools/*.c))
EX    := $(patsubst %.c,$B/%,$(wildcard examples/*.c))
FUZZ  := $(patsubst %.c,$B/%,$(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c)))
TASKS := $(patsubst %.c,$B/%.o,$(wildcard tasks/*.c))
obj    = $(patsubst %.c,$B/%.o,$1)

all: $(if $(SAN),$B/quiver,quiver)
quiver: $B/quiver
	@ln -sf $< $@

$B/libquiver.a: $(call obj,$(SRC))
	@rm -f $@
	@ar rcs $@ $^

$B/quiver: $(call obj,$(CLI)) $B/libquiver.a
	@echo link $@
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$B/src/server/page.o: $(wildcard web/*)
$B/src/server/openapi.o: src/server/openapi.json
$B/src/kern/block.o: CFLAGS += -O3
# Kernels are built for the machine they name; kern/dispatch.c picks one.
ifneq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
KERN := -O3 -ffp-contract=fast -fno-trapping-math
$B/src/kern/avx2.o: CFLAGS += -mavx2 -mfma $(KERN)
$B/src/kern/block_avx2.o $B/src/kern/fit_avx2.o $B/src/kern/numbers_avx2.o: CFLAGS += -mavx2 -mfma -mf16c -O3 -ffp-contract=off
# gcc regroups sums of integers until registers do not suffice: Q4_K to Q6_K lose 10%.
$B/src/kern/block_avx2.o: CFLAGS += $(if $(filter clang,$(CC)),,-fno-tree-reassoc -fschedule-insns -fsched-pressure)
$B/src/kern/avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mfma -mprefer-vector-width=512 $(KERN)
endif

$B/%.o: %.c $B/flags | $B/needs-build $(if $(filter clang,$(CC)),$B/needs-thread)
	@mkdir -p $(@D)
	@echo cc $<
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Rebuild everything when the compiler or its flags change.
$B/flags: FORCE
	@mkdir -p $B
	@echo '$(CC) $(CPPFLAGS) $(CFLAGS)' | cmp -s - $@ || echo '$(CC) $(CPPFLAGS) $(CFLAGS)' > $@

# Nothing is installed; what is missing is named, with the package it comes from.
$B/needs-%: tools/packages tools/needs.sh
	@mkdir -p $B
	@CC=$(CC) tools/needs.sh $*
	@touch $@
$(call obj,$(wildcard tests/*/*.c)): | $B/needs-test

# An archive, so that a test links only the helpers it calls and what they need.
$B/libsupport.a: $(call obj,$(SUP))
	@rm -f $@
	@ar rcs $@ $^

$(TESTS): $B/%: $B/%.o $B/libsupport.a $B/libquiver.a
	@$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(LDLIBS)
$B/tests/e2e/stories_test: | $B/tools/llama2c
$B/tests/e2e/serve_tls_test: LDLIBS += -lgnutls
$(BENCH) $(TOOLS) $(EX): $B/%: $B/%.o $B/libquiver.a
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)
$B/bench/ngram: $B/tests/support/ngram.o
$B/bench/load $B/bench/peer: $(call obj,$(wildcard bench/clients/*.c))
$(FUZZ): $B/%: $B/%.o $B/tests/fuzz/replay.o $B/libquiver.a
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# Writes the bundled tasks: tasks/README.md.
$B/generate: $(TASKS)
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

CHECKED = $(if $T,$(filter %/$T_test %/fuzz/$T,$(TESTS) $(FUZZ)),$(TESTS) $(FUZZ))
check: $(CHECKED) $(if $(and $(CLI),$(if $T,$(filter $B/tests/e2e/%,$(CHECKED)),all)),$B/quiver) \
       $(if $T,,$(EX) $(BENCH) $(TOOLS) $B/generate)
	@rm -rf $B/tap
	@QUIVER=$B/quiver TSAN_OPTIONS=ignore_noninstrumented_modules=1 \
	    prove -j$J -e tools/tap.sh $(or $(CHECKED),$(error no test is called '$T'))

lint:
	@tools/needs.sh build lint
	@tools/lint.sh

format:
	@clang-format -i $(wildcard src/*/*.[ch] include/quiver/*.h tests/*/*.[ch] bench/*.[ch] bench/*/*.[ch] \
	    examples/*.[ch] tools/*.[ch] tasks/*.[ch] models/*.[ch])

fuzz:
	@mkdir -p build/fuzz/corpus/$T
	@$(MAKE) --no-print-directory SAN=fuzzer-no-link,address B=build/fuzz \
	    build/fuzz/tests/fuzz/$T.fuzz
	build/fuzz/tests/fuzz/$T.fuzz -max_total_time=$(SECONDS) build/fuzz/corpus/$T \
	    $(wildcard tests/fuzz/corpus/$T)

$B/tests/fuzz/%.fuzz: $B/tests/fuzz/%.o $B/libquiver.a
	@$(CC) -fsanitize=fuzzer,address -o $@ $^ $(LDLIBS)

bench: $(BENCH)
tools: $(TOOLS)
clean:
	rm -rf build quiver

-include $(shell find $B -name '*.d' 2>/dev/null)
.PHONY: all check lint format fuzz bench tools clean FORCE
.SECONDARY:
