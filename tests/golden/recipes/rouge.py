"""ROUGE-L F1 with NLTK's Porter stemmer, and where that stemmer is not libstemmer's.

usage: rouge.py [TEXT_FILE...]      English text to take frequent words from

rouge/pairs.json   [prediction, reference, F1]: lower-case, runs outside [a-z0-9] become
                   a space, words of more than three characters are stemmed, F1 of the
                   longest common subsequence; from rouge_score, checked against the
                   definition as written here
rouge/stems.json   [word, stem by nltk]; a third entry is libstemmer's "porter" where it
                   differs: frequent words of the text files, NLTK's irregular forms, and
                   words chosen to reach every rule.  Rewritten only if files are given.
"""
from common import given, save_json
import collections
import os
import re
import sys
import Stemmer
from nltk.stem import PorterStemmer
from rouge_score.rouge_scorer import RougeScorer

PAIRS = [
    ("The cat sat.", "the cat sat on the mat"), ("a b c d", "a c e d"), ("", "x"), ("x", ""),
    ("", ""), ("It's 3-4 o'clock", "its 3 4 oclock"), ("...", "!!!"), ("same", "same"),
    ("one two three", "three two one"), ("no overlap here", "entirely different words"),
    ("They were flying kites", "they fly a kite"), ("He is dying", "He dies"),
    ("She was lying to us", "she lies to us"), ("tying the knots", "he tied the knot"),
    ("The skies are grey", "the sky is grey"), ("news at ten", "new at ten"),
    ("innings and outings", "inning and outing"), ("boys play always", "boy played all ways"),
    ("using money today", "used monies of today"), ("possibly possible", "possible possibly"),
    ("carefully care", "care careful"), ("technology and apology", "technologies, apologies"),
    ("proceed, exceed, succeed", "proceeds exceeds succeeds"), ("Yes", "yes."), ("No", "Yes"),
    ("the the the", "the"), ("the", "the the the"), ("a a b b a", "a b a b a b"),
    ("12 boats", "12 boats left the harbour"), ("1,728", "1 728"), ("3.14", "3 14 15"),
    ("The café is naïve", "the cafe is naive"), ("ÅÄÖ", "aao"), ("日本語", "日本語"),
    ("snake_case_name", "snake case name"), ("e-mail me", "email me"), ("USA", "U.S.A."),
    ("Hello,world", "hello world"), ("  spaced   out  ", "spaced out"),
    ("tab\tand\nnewline", "tab and newline"), ("UPPER lower", "upper LOWER"),
    ("the bell rings every minute", "every minute the bell is rung"),
    ("a dog that never came", "the dog has never once come when called"),
    ("She sells maps of places", "a woman sells maps of places that she has not visited"),
    ("The answer is B", "B"), ("entailment", "The answer is entailment."),
    ("not entailment", "entailment"), ("positive", "negative"), ("True", "true"),
    ("relational conditional rational", "relate condition ration"),
    ("hopefulness and callousness", "hopeful and callous"),
    ("generalizations", "general"), ("controlling rolls", "control roll"),
    ("falling hissing fizzed", "fall hiss fizz"), ("agreed feed plastered", "agree fed plaster"),
    ("conflated troubled sized", "conflate trouble size"), ("trekking", "trek"),
    ("unintentionally emotionally", "unintentional emotion"), ("owed owing owes", "owe owe owe"),
    ("days days days", "day day day"), ("enjoyed journeys", "enjoy journey"),
    ("what is the name of the red boat", "the name of the boat painted red is what"),
    ("the quick brown fox jumps over the lazy dog",
     "a quick brown dog jumped over the lazy foxes and the log"),
    ("The apprentice measures the flour twice and forgets the salt. The bread takes longer.",
     "An apprentice measured flour two times, forgot salt; bread took long."),
]

RULES = """caresses ponies ties cats feed agreed plastered bled motoring sing conflated troubled
sized hopping tanned falling hissing fizzed failing filing happy relational conditional
rational valenci hesitanci digitizer conformabli radically differentli vileli analogousli
vietnamization predication operator feudalism decisiveness hopefulness callousness formaliti
sensitiviti sensibiliti triplicate formative formalize electriciti electrical hopeful goodness
revival allowance inference airliner gyroscopic adjustable defensible irritant replacement
adjustment dependent adoption homologou communism activate angulariti homologous effective
bowdlerize probate rate cease controll roll sky skies dying lying tying news inning innings
outing outings canning cannings howe proceed exceed succeed spied died flies dies enjoy by say
cry crying trekking trekked using used aged eyed owing analogy analogies geology technology
logy biologies possibly terribly nobly fully carefully usefully emotionally finally really
yellow yesterday boyish employee oed oing aaa bbbb yyyy sses ied ies eed ing ational enci
oscillate crystallization university universe generously general arsenal organization""".split()


def lcs(a, b):
    row = [0] * (len(b) + 1)
    for x in a:
        before = 0
        for j, y in enumerate(b, 1):
            before, row[j] = row[j], before + 1 if x == y else max(row[j], row[j - 1])
    return row[-1]


def by_definition(prediction, reference):
    stem = PorterStemmer().stem
    words = lambda s: [stem(w) if len(w) > 3 else w
                       for w in re.sub("[^a-z0-9]+", " ", s.lower()).split()]
    p, r = words(prediction), words(reference)
    common = lcs(p, r) if p and r else 0
    return 2 * common / (len(p) + len(r)) if common else 0.0  # = 2PR/(P+R)


def stems(files):
    count = collections.Counter()
    for name in files:
        with open(given(name), encoding="utf-8", errors="ignore") as f:
            count.update(re.findall("[a-z]+", f.read().lower()))
    frequent = [w for w, _ in count.most_common() if len(w) > 3]
    nltk, snowball = PorterStemmer().stem, Stemmer.Stemmer("porter").stemWord
    differ = [w for w in frequent[:12000] if nltk(w) != snowball(w)]
    words = sorted(set(RULES + frequent[:1500] + differ))
    share = [sum(nltk(w) != snowball(w) for w in frequent[:n]) for n in (1000, 3000, 12000)]
    print("stems that differ in the first 1000, 3000, 12000 words:", share)
    return [[w, nltk(w)] + ([snowball(w)] if nltk(w) != snowball(w) else []) for w in words]


def main(files):
    os.makedirs("rouge", exist_ok=True)
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    rows = []
    for prediction, reference in PAIRS:
        f1 = scorer.score(reference, prediction)["rougeL"].fmeasure
        assert abs(f1 - by_definition(prediction, reference)) < 1e-12, (prediction, f1)
        rows.append([prediction, reference, round(f1, 9)])
    save_json("rouge/pairs.json", rows)
    if files:
        save_json("rouge/stems.json", stems(files))


if __name__ == "__main__":
    main(sys.argv[1:])
