/* chat_table.h - a chat template as what stands around each turn. */
#ifndef QV_TEXT_CHAT_TABLE_H
#define QV_TEXT_CHAT_TABLE_H

#include "base/arena.h"
#include "text/chat.h"

/* Where a system's message goes. */
enum qv__chat_place {
    QV__OWN_TURN,
    QV__IN_FIRST, // in front of the first user's text, within the turn
    QV__IN_LAST,  // of the last one's
    QV__NOWHERE,
};

/* In the texts, \x01 stands for the tokenizer's BOS and \x02 for its EOS. */
struct qv__chat {
    const char *name;
    const char *hash;  // of the source that says this: see chat_find.c
    const char *begin; // in front of everything, or NULL
    const char *system[2], *user[2], *assistant[2]; // around what each says
    const char *reply;                              // what invites the assistant to answer
    const char *stop;                               // the token that ends its turn
    const char *otherwise; // what the system says if nobody does, or NULL
    const char *preface;   // in front of what it says first, or NULL
    const char *thought; // ends what the assistant only thought, which is left out, or NULL
    enum qv__chat_place place;
    bool trims_user, trims_assistant; // white space at both ends is taken off
};

extern const struct qv__chat qv__chats[];
extern const size_t qv__n_chats;

#endif
