#!/bin/sh
# table3_7_8-adaptation.sh - adapting to held-out tasks with all and a tenth of the data.
#
# Table 3 (and 7 and 8, task by task): those of adaptation.sh's systems that the paper has.
set -eu
cd "$(dirname "$0")/.."
: "${FRACTIONS:=1 0.1}"
: "${SYSTEMS:=base lora shared-lora poly-poly mhr-mhr mbc-pi private-mu random-poly mbc-mu mbc-poly \
mbc-lorahub}"
: "${RETRIEVED=}"
export FRACTIONS SYSTEMS RETRIEVED
export RECIPE=table3_7_8-adaptation TITLE="Supervised adaptation (tables 3, 7 and 8)"
exec recipes/adaptation.sh
