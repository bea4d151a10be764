#!/bin/sh
# Builds the language model of FUTO Keyboard on Linux, without Android and without Java.
#
#     benchmarks/keyboard/build.sh CLONE FOLDER
#
# CLONE: a git clone of https://github.com/futo-org/android-keyboard, bare or not. FOLDER: a new
# folder outside this repository, which gets its sources and the program FOLDER/driver.
# It needs git, g++ and make. The sources have their own licence; none of them belongs here.
set -eu

[ $# -eq 2 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
clone=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
folder=$(cd "$2" && pwd)

# The largest file is left out: only the training of tokenizers needs it.
git -C "$clone" archive HEAD -- native/jni \
    ':(exclude)native/jni/src/sentencepiece/normalization_rule.h' | tar -x -C "$folder"
git -C "$clone" rev-parse HEAD > "$folder/commit"
jni=$folder/native/jni

# The calls from Java stand behind this line, and need its headers. The beam stands before it.
mkdir -p "$folder/no_java/suggest/core/layout"
sed '/^struct SuggestionItemToRescore/,$d' \
    "$jni/org_futo_inputmethod_latin_xlm_LanguageModel.cpp" > "$folder/beam.inc"
for header in jni.h jni_common.h jni_utils.h suggest/core/layout/proximity_info.h \
    org_futo_inputmethod_latin_xlm_LanguageModel.h; do
    : > "$folder/no_java/$header"
done
cp "$here/driver.cpp" "$folder/driver.cpp"

# FLAG_DO_PROFILE turns the program's assertions on: one that fails ends the program.
cat > "$folder/Makefile" <<'MAKEFILE'
src := native/jni/src
spm := $(addprefix $(src)/sentencepiece/, builtin_pb/sentencepiece_model.pb.cc \
    builtin_pb/sentencepiece.pb.cc bpe_model.cc char_model.cc error.cc filesystem.cc \
    model_factory.cc model_interface.cc normalizer.cc sentencepiece_processor.cc \
    unigram_model.cc util.cc word_model.cc)
spm += $(wildcard $(src)/third_party/protobuf-lite/*.cc)
own := $(addprefix $(src)/ggml/, context.cpp llama.cpp LanguageModel.cpp ModelMeta.cpp)
c := $(addprefix $(src)/ggml/, ggml.c ggml-alloc.c ggml-quants.c ggml-backend.c)
objects := $(spm:.cc=.o) $(own:.cpp=.o) $(c:.c=.o)
include := -Ino_java -Inative/jni -I$(src) -I$(src)/sentencepiece/builtin_pb \
    $(addprefix -I$(src)/third_party, / /protobuf-lite /darts_clone /absl)
flags := -O2 -march=native -w -pthread -D_GNU_SOURCE -DHAVE_PTHREAD=1 -DFLAG_DO_PROFILE \
    -D_USE_INTERNAL_STRING_VIEW $(include)

driver: driver.cpp beam.inc $(objects)
	@echo driver.cpp
	@g++ -std=c++17 $(flags) -o $@ driver.cpp $(objects) -ldl
%.o: %.cc
	@echo $<
	@g++ -std=c++17 $(flags) -c -o $@ $<
%.o: %.cpp
	@echo $<
	@g++ -std=c++17 $(flags) -c -o $@ $<
%.o: %.c
	@echo $<
	@gcc -std=c11 $(flags) -c -o $@ $<
MAKEFILE
make -C "$folder" driver
echo "built: $folder/driver"
