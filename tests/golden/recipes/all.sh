#!/bin/sh
# Regenerates every golden file.  See README.md, "How to regenerate", for the environment.
# usage: all.sh TOKENIZERS_DIR STORIES260K_DIR LLAMA2C_CHECKOUT [TEXT_FILE...]
# TEMPLATES names a directory of chat templates; without it text/chat.json stays.
# LLAMA_CPP names a checkout of llama.cpp; without it gguf/ stays.
# MTTL names a checkout of microsoft/mttl; without it mttl/ stays.
# V4 names a directory with the packages of requirements_v4.txt; without it llama/odd_v4 stays.
set -eu
here=$(dirname "$0")
export OMP_NUM_THREADS=1 PYTHONHASHSEED=0
tokenizers=$1 stories=$2 llama2c=$3
shift 3
python3 "$here/llama.py"
[ -z "${V4:-}" ] || PYTHONPATH=$V4 python3 "$here/llama_v4.py"
for recipe in families train mixture gates muon peft_adapters peft_features peft_matching arrow_paper arrow_peft routers cluster merge choice; do
    python3 "$here/$recipe.py"
done
for recipe in gguf_files gguf_adapters; do
    [ -z "${LLAMA_CPP:-}" ] || python3 "$here/$recipe.py" "$LLAMA_CPP"
done
[ -z "${MTTL:-}" ] || python3 "$here/mttl_library.py" "$MTTL"
python3 "$here/text.py" "$tokenizers" "$stories"
python3 "$here/text_mixed.py" "$tokenizers"
[ -z "${TEMPLATES:-}" ] || python3 "$here/chat.py" "$TEMPLATES"
python3 "$here/stories.py" "$llama2c" "$stories"
python3 "$here/rouge.py" "$@"
