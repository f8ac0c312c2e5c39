#!/bin/sh
# p3.sh - the demo's table on tasks that nobody here wrote: prompts of the Public Pool
# of Prompts that are among the paper's 256 tasks.
#
#   recipes/p3.sh ARCHIVE     the archive p3.tar.xz, a folder p3/ of TASK.jsonl inside
#
# 35 tasks to train on and 12 held out: all of sciq, ropes and dbpedia, whose data sets
# no training task uses, and one or two of the others. Everything else is as in
# tools/demo.sh, and can be set from outside as there.
set -eu
archive=$1
cd "$(dirname "$0")/.."

: "${RUN:=runs/p3}"
: "${STEPS:=80}"
: "${CLUSTERS:=10}"
: "${UPSTREAM:=20}"
: "${HELD_OUT:=40}"
: "${MAX_TOKENS:=24}"
TASKS=.data/p3
PER_FAMILY=99
export RUN STEPS CLUSTERS UPSTREAM HELD_OUT MAX_TOKENS TASKS PER_FAMILY

chosen() {
    cat << 'END'
app_reviews false app_reviews_categorize_rating_using_review
app_reviews false app_reviews_convert_to_rating
app_reviews false app_reviews_convert_to_star_rating
hotpotqa false kilt_tasks_hotpotqa_combining_facts
hotpotqa false kilt_tasks_hotpotqa_complex_question
hotpotqa false kilt_tasks_hotpotqa_formulate
hotpotqa true kilt_tasks_hotpotqa_final_exam
hotpotqa false kilt_tasks_hotpotqa_straighforward_qa
qasc false qasc_is_correct_1
qasc false qasc_qa_with_combined_facts_1
qasc false qasc_qa_with_separated_facts_1
qasc false qasc_qa_with_separated_facts_3
qasc false qasc_qa_with_separated_facts_5
qasc true qasc_is_correct_2
quarel false quarel_choose_between
quarel false quarel_do_not_use
quarel false quarel_logic_test
quarel false quarel_testing_students
quarel true quarel_heres_a_story
quartz false quartz_answer_question_based_on
quartz false quartz_given_the_fact_answer_the_q
quartz false quartz_having_read_above_passage
quartz false quartz_paragraph_question_plain_concat
quartz false quartz_use_info_from_question_paragraph
quartz true quartz_answer_question_below
social_i_qa false social_i_qa_Check_if_a_random_answer_is_valid_or_not
social_i_qa false social_i_qa_Generate_answer
social_i_qa false social_i_qa_Generate_the_question_from_the_answer
social_i_qa false social_i_qa_Show_choices_and_generate_answer
social_i_qa false social_i_qa_Show_choices_and_generate_index
social_i_qa true social_i_qa_I_was_wondering
wiki_qa false wiki_qa_Decide_good_answer
wiki_qa false wiki_qa_Is_This_True_
wiki_qa false wiki_qa_automatic_system
wiki_qa false wiki_qa_exercise
wiki_qa true wiki_qa_found_on_google
wiqa false wiqa_effect_with_label_answer
wiqa false wiqa_what_is_the_final_step_of_the_following_process
wiqa false wiqa_what_is_the_missing_first_step
wiqa false wiqa_what_might_be_the_last_step_of_the_process
wiqa true wiqa_what_might_be_the_first_step_of_the_process
wiki_bio false wiki_bio_guess_person
sciq true sciq_Direct_Question_Closed_Book_
sciq true sciq_Multiple_Choice_Closed_Book_
ropes true ropes_plain_no_background
ropes true ropes_prompt_bottom_no_hint
dbpedia true dbpedia_14_given_a_list_of_category_what_does_the_title_belong_to
END
}

mkdir -p "$TASKS/data" .data/archive
[ -d .data/archive/p3 ] || tar xf "$archive" -C .data/archive
{
    printf '{"tasks":{\n'
    chosen | while read -r family held_out task; do
        cp ".data/archive/p3/$task.jsonl" "$TASKS/data/"
        printf '"%s":{"family":"%s","held_out":%s},\n' "$task" "$family" "$held_out"
    done | sed '$s/,$//'
    printf '}}\n'
} > "$TASKS/tasks.json"
exec tools/demo.sh
