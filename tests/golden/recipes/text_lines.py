"""The lines every tokenizer is asked about, and the prose the tiny ones are trained on."""

PROSE = """\
The harbour master counts the boats before breakfast and again before bed.
He has a brass lamp, a red book and a dog that has never once come when called.
When the fog lies on the water he rings the bell every minute, and somebody rings back.
On market days the square fills with apples, cheese, buttons, rope and loud opinions.
A woman sells maps of places that she has not visited but would like to.
Her best map shows an island shaped like a spoon; nobody has found it yet.
The baker says that bread knows when it is being watched and takes longer.
His apprentice measures the flour twice, forgets the salt, and is forgiven.
Children race paper boats in the gutter after rain, and the smallest boat wins.
There is a clock in the tower, but the tower leans, so the clock is always a little late.
An engineer came from the city to straighten it and stayed for eleven years.
She said the tower was leaning towards something, and she wanted to know what.
In winter the river freezes from both sides and the ferry becomes a bridge.
People walk across it carrying lanterns, and the ferryman charges half the price.
Nothing was stolen from the library except the chair by the window.
The librarian left a note: please bring it back, or at least sit in it kindly.
Two days later there were three chairs, none of them the same, all of them better.
If a number is even, halve it; if it is odd, treble it and add one; then start again.
for (int i = 0; i < count; i++) { total += values[i]; }
def area(width, height): return width * height
We measured 12 of them in 2019, 144 in 2021, and 1728 before the money ran out.
It's what they'd said we'll do, isn't it? I'm sure you've heard that she'd gone.
The café in the old quarter serves naïve paintings, crème brûlée and jalapeños.
"""

LINES = r"""
Hello, world!
hello world
The quick brown fox jumps over the lazy dog.
I'm sure they've said we'll go, but he'd rather she's not; isn't it?
I'M SURE THEY'VE SAID WE'LL GO
It’s a “curly” quotation — with dashes – and an ellipsis…
don't can't won't 'tis 'twas rock'n'roll o'clock
What?! No... really?? Yes!!! (Maybe.) [Perhaps] {Possibly} <never>
e.g. Dr. Smith vs. Mrs. Jones, Ph.D., at 5 p.m.
snake_case camelCase PascalCase kebab-case SCREAMING_SNAKE
antidisestablishmentarianism floccinaucinihilipilification
aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
abababababababababababab
zzzzzzzz yyyyyyy xxxxxx
The harbour master rings the bell every minute.
Nothing was stolen except the chair by the window.
A B C D E F G
a b c d e f g
x
.
,
!
0
7
42
123
1234
12345
1234567890
3.14159265358979
1,000,000.00
-273.15
1e-8
0x7fffffff
0b1010 0o17 0xDEADBEEF
2024-05-17T12:34:56Z
192.168.0.1:8080
+44 (0)20 7946 0000
$19.99 £5 €7,50 ¥1000 ₹250
50% of 80% is 40%
1st 2nd 3rd 4th 21st
x2 y3z 4ever b4
½ ¼ ¾ ² ³ ¹ ₂
① ② Ⅳ ⅷ ٣ ४ 五
1 2 3 4 5 6 7 8 9 10 11 12
for (int i = 0; i < n; i++) { sum += a[i]; }
if (p == NULL && errno != 0) return -1;
#include <stdio.h>
int main(void) { printf("%d\n", 42); return 0; }
def f(x, *args, **kw): return x if x else None
lambda x: x**2 + 3*x - 1
SELECT name, COUNT(*) FROM boats WHERE length >= 12 GROUP BY name;
<div class="boat" id='b1'>Sail &amp; oar</div>
https://example.org/a/b?c=d&e=f#g
user.name+tag@example.co.uk
C:\Users\me\file.txt and /usr/local/bin
\n is not a newline, \t not a tab, \\ is two
{"key": [1, 2.5, null, true], "s": "v"}
a+b=c; a-b!=c; a*b/c%d^e&f|g~h
=> -> <- <= >= != == === := :: ... .. //
```c
# Heading
- item
* * *
| a | b |
~/.config/x.toml
café naïve façade jalapeño crème brûlée
Ångström Øre Æsir ßtraße ſ ĳ œuvre
ČŠŽ čšž ĐđŁł Ğğİı
Łódź, Kraków, Gdańsk i Wrocław
Quoi ? L’été, à Noël : « déjà vu » !
¿Dónde está el baño? ¡Aquí!
Größe über alles; Fußgängerübergänge
Việt Nam: Tiếng Việt rất đẹp
Здравствуй, мир! Как дела?
Привет Київ Їжак Ёлка
Γειά σου Κόσμε, τι κάνεις;
שלום עולם
مرحبا بالعالم
السَّلامُ عَلَيْكُم
سلام دنیا، ۱۲۳
नमस्ते दुनिया
স্বাগতম
ภาษาไทยไม่มีช่องว่าง
你好,世界!
今天天气很好。我们去公园吧!
日本語のテキストとカタカナ、ひらがな。
한국어 텍스트입니다
안녕하세요 세계
English と 日本語 mixed 混合 text
繁體中文與简体中文
ꙮ 𐍈 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𒀀
😀
😀😃😄
👍🏽 thumbs
👩‍👩‍👧‍👦 family
🇳🇿 flags 🇫🇷
❤️ red heart ♥ black heart
I ❤ NY ☕ at 9
e🎉m🎊oji in🎈side
→ ← ↑ ↓ ⇒ ∀ ∃ ∈ ∑ √ ∞ ≈ ≠ ≤ ≥
α + β = γ; ∂f/∂x ≈ Δ
™ © ® § ¶ † ‡ • …
Ｆｕｌｌｗｉｄｔｈ　ｔｅｘｔ １２３
ﬁne ﬂow oﬃce
<|endoftext|>
one<|endoftext|>two
 <|endoftext|> spaced <|endoftext|>
<|endoftext
<|im_start|>user
<s>hello</s>
<unk> <pad> [INST] hi [/INST]
<0x0A> <0xFF>
▁underline block▁▁two
Ġ looks like a byte token Ċ too
A sentence that is somewhat longer, so that merges across many words must all be right at once.
When the fog lies on the water he rings the bell, and 12 of them (in 2019) measured 1,728.
""".strip("\n").split("\n")

# Where white space, line ends and odd code points matter, spelled out.
LINES += [
    "", " ", "  ", "   ", "    ", "        ", "\t", "\t\t", "\n", "\n\n", "\n\n\n", "\r\n",
    " leading", "  leading two", "trailing ", "trailing two  ", " both ", "  both  two  ",
    "a  b", "a   b", "a    b", "a     b     c", "a\tb", "a\t\tb", "a \tb", "a\t b",
    "\tindented", "    four spaces", "line one\nline two", "line one\r\nline two",
    "para one\n\npara two", "text\n", "text\n\n", "\ntext", "text \n  next", "x\n\n\n\ny",
    "if x:\n    return y\n\n\tz()", "  \n  \n", "a\u00a0b", "a\u2003b", "a\u3000b",
    "a\u200bb", "\ufeffbom", "a\u200db", "\x01\x02\x1f", "\x7f", "\x85", "\u2028x\u2029y",
    "e\u0301 \u00e9", "n\u0303o \u00f1o", "A\u030a \u00c5 \u212b", "\u1100\u1161\u11a8 \uac01",
    "a\u0300\u0301\u0302\u0303\u0304", "Z\u0351\u036ba\u0349lgo", "\u0301alone", "q\u0307\u0323",
    "\ufdd0 \ufffe", "\ufffd", "\U0010fffd", "\u2067rtl\u2069", " 1", " 12 ", "1 ", "  3  4",
    "a'b 's 't 're 've 'm 'll 'd 'S", "''''", "it''s", "!!!!!!!!!!!!", " ! ? ", "---- ----",
    "the the  the   the", "x" * 70, "ab " * 12, "9" * 20,
]
