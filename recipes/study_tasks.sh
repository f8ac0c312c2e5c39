#!/bin/sh
# study_tasks.sh - the tasks of recipes/study.sh: data that nobody here wrote.
#
#   recipes/study_tasks.sh DATA     DATA/tasks has p3.tar.xz, sni.tar.xz, paper12.tar.xz
#
# Makes .data/study for recipes' TASKS, with the tasks that a result is reported on held out,
# and .data/study/valid with the same tasks to train on and others held out, to choose by. No
# data set has tasks in two of: trained on, chosen by, reported on; but for QASC, which is among
# the paper's held-out tasks and among those it trains on.
set -eu
data=$1
cd "$(dirname "$0")/.."
to=.data/study

# Prompts of the Public Pool of Prompts (P3) among the paper's 256 tasks: most of those whose
# examples fit into 256 tokens, and some that are cut on the left. FAMILY TASK...
train() {
    cat << 'END'
adversarial_qa adversarial_qa_dbidaf_based_on adversarial_qa_dbidaf_generate_question adversarial_qa_dbidaf_question_context_answer adversarial_qa_droberta_generate_question adversarial_qa_droberta_question_context_answer
app_reviews app_reviews_categorize_rating_using_review app_reviews_convert_to_rating app_reviews_convert_to_star_rating app_reviews_generate_review
dream dream_baseline dream_generate_first_utterance dream_generate_last_utterance
hotpotqa kilt_tasks_hotpotqa_combining_facts kilt_tasks_hotpotqa_complex_question kilt_tasks_hotpotqa_final_exam kilt_tasks_hotpotqa_formulate kilt_tasks_hotpotqa_straighforward_qa
qasc qasc_is_correct_1 qasc_is_correct_2 qasc_qa_with_combined_facts_1 qasc_qa_with_separated_facts_1 qasc_qa_with_separated_facts_2 qasc_qa_with_separated_facts_3 qasc_qa_with_separated_facts_4 qasc_qa_with_separated_facts_5
quarel quarel_choose_between quarel_do_not_use quarel_heres_a_story quarel_logic_test quarel_testing_students
quartz quartz_answer_question_based_on quartz_answer_question_below quartz_given_the_fact_answer_the_q quartz_having_read_above_passage quartz_paragraph_question_plain_concat quartz_read_passage_below_choose quartz_use_info_from_paragraph_question quartz_use_info_from_question_paragraph
ropes ropes_plain_no_background ropes_prompt_bottom_no_hint
sciq sciq_Direct_Question sciq_Direct_Question_Closed_Book_ sciq_Multiple_Choice sciq_Multiple_Choice_Closed_Book_ sciq_Multiple_Choice_Question_First
social_i_qa social_i_qa_Check_if_a_random_answer_is_valid_or_not social_i_qa_Generate_answer social_i_qa_Generate_the_question_from_the_answer social_i_qa_I_was_wondering social_i_qa_Show_choices_and_generate_answer social_i_qa_Show_choices_and_generate_index
wiki_bio wiki_bio_guess_person
wiki_qa wiki_qa_Decide_good_answer wiki_qa_Is_This_True_ wiki_qa_automatic_system wiki_qa_exercise wiki_qa_found_on_google
wiqa wiqa_does_the_supposed_perturbation_have_an_effect wiqa_effect_with_label_answer wiqa_effect_with_string_answer wiqa_what_is_the_final_step_of_the_following_process wiqa_what_is_the_missing_first_step wiqa_what_might_be_the_first_step_of_the_process wiqa_what_might_be_the_last_step_of_the_process wiqa_which_of_the_following_is_the_supposed_perturbation
END
}

# To choose by: P3 of data sets that the paper does not train on, Natural Instructions.
choose_by() {
    cat << 'END'
ag_news ag_news_classify_with_choices ag_news_recommend ag_news_which_section
commonsense_qa commonsense_qa_answer_given_question_without_options commonsense_qa_answer_to_question commonsense_qa_most_suitable_answer
gigaword gigaword_TLDR gigaword_make_a_title gigaword_in_a_nutshell
mrpc glue_mrpc_equivalent glue_mrpc_generate_sentence glue_mrpc_replace
circa task565_circa_answer_generation
cola task616_cola_classification
com_qa task442_com_qa_paraphrase_question_generation
counting task155_count_nouns_verbs
jeopardy task305_jeopardy_answer_generation_normal
odd_man_out task142_odd-man-out_classification_no_category
para_nmt task177_para-nmt_paraphrasing
protoqa task820_protoqa_answer_generation
senteval task429_senteval_tense
snli task190_snli_classification
END
}

# To report: the paper's held-out tasks (ten of twelve) and others.
report_on() {
    cat << 'END'
held_out_12 task035_winogrande_question_modification_person task039_qasc_find_overlapping_words task1153_bard_analogical_reasoning_affordance task202_mnli_contradiction_classification task242_tweetqa_classification task304_numeric_fused_head_resolution task362_spolin_yesand_prompt_response_sub_classification task613_politifact_text_generation task614_glucose_cause_event_detection testset_task1728_web_nlg_data_to_text
common_gen common_gen_Given_concepts_type_1 common_gen_sentence_to_concepts common_gen_topic_to_sentence common_gen_Put_together
cosmos_qa cosmos_qa_context_question_description_text cosmos_qa_context_answer_to_question cosmos_qa_only_question_answer cosmos_qa_no_prompt_id
paws paws_labeled_final_Meaning paws_labeled_final_paraphrase_task paws_labeled_final_context_question
qqp glue_qqp_answer glue_qqp_duplicate_or_not glue_qqp_quora
ambigqa task669_ambigqa_answer_generation
causal task392_inverse_causal_relationship
disflqa task1195_disflqa_disfluent_to_fluent_conversion
e2e_nlg task957_e2e_nlg_text_generation_generate
event2mind task922_event2mind_word_generation
hans task1364_hans_answer_generation
numer_sense task1359_numer_sense_answer_generation
semeval_2020 task291_semeval_2020_task4_commonsense_validation
sentiment140 task195_sentiment140_classification
sms_spam task109_smsspamcollection_spamsmsdetection
turk task934_turk_simplification
END
}

mkdir -p "$to/data" "$to/valid" .data/archive
for archive in p3 sni paper12; do
    [ -d ".data/archive/$archive" ] || tar xf "$data/tasks/$archive.tar.xz" -C .data/archive
done

# list HELD_OUT: the lines of tasks.json for the FAMILY TASK... on stdin, and their files.
list() {
    while read -r family tasks; do
        for task in $tasks; do
            cp .data/archive/*/"$task".json* "$to/data/"
            printf '"%s":{"family":"%s","held_out":%s}\n' "$task" "$family" "$1"
        done
    done
}
# tasks_json: such lines as one file.
tasks_json() { printf '{"tasks":{\n%s\n}}\n' "$(sed '$!s/$/,/')"; }

train | list false > "$to/train.part"
{ cat "$to/train.part"; report_on | list true; } | tasks_json > "$to/tasks.json"
{ cat "$to/train.part"; choose_by | list true; } | tasks_json > "$to/valid/tasks.json"
rm "$to/train.part"
ln -sfn ../data "$to/valid/data"
grep -c '"held_out":false' "$to/tasks.json" | sed 's/$/ tasks to train on/'
grep -c '"held_out":true' "$to/tasks.json" | sed 's/$/ to report on/'
grep -c '"held_out":true' "$to/valid/tasks.json" | sed 's/$/ to choose by/'
