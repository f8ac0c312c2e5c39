/* page_test.c - the page of quiver serve: how it is sent, and in a real browser how it is
 * used.
 *
 * Most is tried against support/stub.h, whose answers are known; then the same against
 * quiver serve. Without Chromium and its driver, which are Debian's packages chromium and
 * chromium-driver, all but the first tests are skipped.
 */
#include "support/browser.h"
#include "support/client.h"
#include "support/scratch.h"
#include "support/stub.h"
#include "support/world.h"

#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct served server;
static bool is_live; // it takes experts while it runs

static int open_all(void **state)
{
    if (make_world(state))
        return -1;
    write_text(in_world("keys"), STUB_KEY "\n");
    works("serve --help");
    is_live = strstr(said.out, "--library-key-file") != NULL;
    server = serve(is_live ? "--model m --library lib --chat chatml --library-key-file keys"
                           : "--model m --library lib --chat chatml");
    return 0;
}

static int close_all(void **state)
{
    close_browser();
    end_server(&server);
    return end_world(state);
}

/* ---- how it is sent ---- */

static const char *const sent[][2] = {
    {"/", "text/html"},
    {"/page.js", "text/javascript"},
    {"/library.js", "text/javascript"},
    {"/page.css", "text/css"},
    {"/look.css", "text/css"},
    {"/icon.svg", "image/svg+xml"},
};

/* The value of a header. The caller ends it. */
static char *header_of(const struct reply *r, const char *name)
{
    char line[64];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strstr(r->head, line);
    if (!at)
        fail_msg("no %s in: %s", name, r->head);
    at += strlen(line);
    return strndup(at, strcspn(at, "\r"));
}

static void each_file_has_its_type_and_a_strict_policy(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(sent); i++) {
        struct reply r = asked(&server, sent[i][0], "", NULL);
        assert_int_equal(r.status, 200);
        char *type = header_of(&r, "Content-Type");
        char *policy = header_of(&r, "Content-Security-Policy");
        assert_int_equal(strncmp(type, sent[i][1], strlen(sent[i][1])), 0);
        assert_int_equal(strncmp(policy, "default-src 'self'; ", 20), 0);
        assert_null(strstr(policy, "unsafe"));
        assert_non_null(strstr(r.head, "X-Content-Type-Options: nosniff"));
        free(type), free(policy), free_reply(&r);
    }
    struct reply r = asked(&server, "/", "", NULL);
    assert_file_holds("web/index.html", r.body);
    free_reply(&r);
}

static void a_browser_that_has_a_file_is_not_sent_it_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(sent); i++) {
        char known[128];
        struct reply r = asked(&server, sent[i][0], "", NULL);
        char *tag = header_of(&r, "ETag"), *cache = header_of(&r, "Cache-Control");
        assert_string_equal(cache, "no-cache");
        snprintf(known, sizeof known, "If-None-Match: W/%s\r\n", tag);
        struct reply again = asked(&server, sent[i][0], known, NULL);
        assert_int_equal(again.status, 304);
        assert_int_equal(again.size, 0);
        struct reply other = asked(&server, sent[i][0], "If-None-Match: \"old\"\r\n", NULL);
        assert_int_equal(other.status, 200);
        free_reply(&r), free_reply(&again), free_reply(&other);
        free(tag), free(cache);
    }
}

static void nothing_else_is_a_file_and_the_page_cannot_be_posted(void **state)
{
    (void)state;
    static const char *const paths[] = {"/index.html", "/web/index.html", "/page.js/",
                                        "/../Makefile", "/page.c"};
    for (size_t i = 0; i < QV_COUNT(paths); i++) {
        struct reply r = asked(&server, paths[i], "", NULL);
        assert_int_equal(r.status, 404);
        free_reply(&r);
    }
    struct reply r = asked(&server, "/", "", "{}");
    assert_int_equal(r.status, 405);
    free_reply(&r);
}

/* ---- in a browser, with answers that are known ---- */

static char address[64];

static void open_page(unsigned port, const char *view)
{
    snprintf(address, sizeof address, "http://127.0.0.1:%u/", port);
    visit("about:blank"); // so that another view of the same page is loaded anew
    char url[96];
    snprintf(url, sizeof url, "%s#%s", address, view);
    visit(url);
    await_that("document.querySelectorAll('#who option').length > 0 || "
               "!document.querySelector('#server-note').hidden");
}

static void open_stub_page(const struct stub_opts *opts, const char *view)
{
    need_browser();
    unsigned port = open_stub(opts);
    open_browser(in_world(""));
    set_screen(1200, 900, false);
    open_page(port, view);
}

static int end_stub(void **state)
{
    (void)state;
    close_stub();
    return 0;
}

#define IN_CARD(n, what) "document.querySelectorAll('.card')[" #n "]?." what
#define SAID(n)          IN_CARD(n, "querySelector('.said').textContent")
#define IS_DONE(n)       IN_CARD(n, "getAttribute('aria-busy') === null")
#define WHOLE            "'The cat sat on the mat.\\nIt was glad.'"

static void ask_page(const char *prompt)
{
    type_into("#prompt", prompt);
    press(KEY_ENTER);
}

static void a_chat_streams_and_remembers(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){.pause = 80}, "chat");
    ask_page("Hello");
    await_that(SAID(0) " === 'The cat sat'"); // a part, and it goes on
    assert_true(holds(IN_CARD(0, "getAttribute('aria-busy') === 'true'")));
    await_that(
        IS_DONE(0) " && document.querySelectorAll('.said')[0].textContent === " WHOLE);
    assert_true(holds(IN_CARD(0, "textContent.includes('It ended by itself.')")));
    set_stub(&(struct stub_opts){0});
    ask_page("And now?");
    await_that(IS_DONE(1));
    json_t *asked = stub_was_asked(0), *messages = json_object_get(asked, "messages");
    assert_int_equal(json_array_size(messages), 3);
    const json_t *second = json_array_get(messages, 1);
    assert_string_equal(json_string_value(json_object_get(second, "content")),
                        "The cat sat on the mat.\nIt was glad.");
    assert_true(json_is_true(json_object_get(asked, "routing")));
    json_decref(asked);
}

static void an_answer_can_be_stopped(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){.pause = 400}, "chat");
    ask_page("Hello");
    await_that(SAID(0) "?.length > 0");
    assert_true(holds("document.querySelector('#send').hidden"));
    click_on("#stop");
    await_that(IS_DONE(0));
    assert_true(holds(IN_CARD(0, "textContent.includes('You stopped it.')")));
    assert_false(holds(SAID(0) " === " WHOLE));
    assert_true(holds("!document.querySelector('#send').hidden"));
    ask_page("Again");
    await_that("document.querySelectorAll('.card')[1]?.querySelector('.said').textContent"
               ".length > 0");
    press(KEY_ESCAPE);
    await_that(IS_DONE(1));
}

static void settings_are_asked_for(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){0}, "complete");
    type_into("#k", "2");
    type_into("#temperature", ".5"); // after the 0 that is there
    ask_page("Once");
    await_that(IS_DONE(0));
    assert_true(
        holds(IN_CARD(0, "querySelector('.text').innerText.startsWith('OnceThe ')")));
    json_t *asked = stub_was_asked(0);
    assert_string_equal(json_string_value(json_object_get(asked, "model")), "quiver/arrow");
    assert_string_equal(json_string_value(json_object_get(asked, "prompt")), "Once");
    assert_int_equal(json_integer_value(json_object_get(asked, "router_top_k")), 2);
    assert_int_equal(json_integer_value(json_object_get(asked, "max_tokens")), 96);
    assert_true(json_number_value(json_object_get(asked, "temperature")) == 0.5);
    json_decref(asked);
}

#define TOKEN(i) "document.querySelectorAll('.token')[" #i "]"

static void tokens_show_the_expert_with_the_most_weight(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){0}, "chat");
    ask_page("Hello");
    await_that(IS_DONE(0) " && document.querySelectorAll('.legend li').length === 4");
    assert_true(holds("document.querySelectorAll('.token').length === 11"));
    // One expert has one letter and one colour; another has others.
    assert_true(holds(TOKEN(0) ".querySelector('.letter').textContent === 'A'"));
    assert_true(holds(TOKEN(1) ".querySelector('.letter').textContent === 'B'"));
    assert_true(holds(TOKEN(4) ".querySelector('.letter').textContent === 'A'"));
    assert_true(
        holds("((paint) => paint(" TOKEN(0) ") === paint(" TOKEN(4) ") && paint(" TOKEN(
            0) ") !== paint(" TOKEN(1) "))((token) => getComputedStyle("
                                       "token.querySelector('.said')).borderBottomColor)"));
    assert_true(holds(TOKEN(0) ".getAttribute('aria-label') === 'The: sums_add 75%'"));
    assert_true(holds("document.querySelector('.legend li').textContent === "
                      "'A sums_add 3 tokens'"));
}

#define DETAIL "document.querySelector('.detail').textContent"

static void a_token_tells_its_experts_at_each_site(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){0}, "chat");
    ask_page("Hello");
    await_that(IS_DONE(0) " && " DETAIL ".includes('11 tokens, 4 sites in 2 layers')");
    point_at(".token:nth-of-type(2)");
    await_that(DETAIL ".includes('“ cat”, token 2 of 11: mostly words_reverse')");
    assert_true(holds("document.querySelectorAll('.sites tr').length === 4"));
    assert_true(holds("document.querySelector('.sites tr:nth-child(2)').textContent === "
                      "'0 upB words_reverse 0.75C time_month 0.25'"));
    assert_true(holds("[...document.querySelectorAll('.halo')].filter((halo) => "
                      "Number(halo.getAttribute('r')) > 0).length === 2"));
    // The keyboard does the same: one stop for all tokens, arrows among them.
    run_in_page("document.querySelector('.token').focus()");
    press(KEY_RIGHT KEY_RIGHT);
    assert_true(holds(DETAIL ".includes('token 3 of 11')"));
    press(KEY_END);
    assert_true(holds(DETAIL ".includes('token 11 of 11')"));
    assert_true(holds("document.querySelectorAll('.token[tabindex=\"0\"]').length === 1"));
    press(KEY_ESCAPE);
    assert_true(holds(DETAIL ".includes('The whole answer')"));
}

static void the_path_is_on_the_map(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){0}, "chat");
    ask_page("Hello");
    await_that(IS_DONE(0) " && document.querySelectorAll('.card .way').length === 4");
    assert_true(holds("document.querySelectorAll('.card .dot').length === 4"));
    assert_true(holds("document.querySelectorAll('.card .start').length === 1"));
    assert_true(holds("document.querySelector('.card figcaption').textContent.startsWith("
                      "'The path begins at the ringed A, sums_add')"));
    point_at(".card .dot:nth-of-type(3)");
    await_that("document.querySelector('.card figcaption').textContent === 'time_month'");
}

static void two_answer_side_by_side(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){0}, "chat");
    type_into("#beside", "uniform");
    ask_page("Hello");
    await_that(IS_DONE(0) " && " IS_DONE(1));
    assert_true(holds(SAID(1) " === " WHOLE));
    await_that(IN_CARD(1, "querySelector('h3').textContent === 'The same at every token, "
                          "layer and site'"));
    assert_true(holds(IN_CARD(1, "querySelector('.sites tr').textContent === "
                                 "'A sums_add25%'")));
    assert_true(holds(IN_CARD(1, "querySelector('.tokens').hidden")));
    assert_true(holds("((a, b) => a.top === b.top && a.right < b.left)(...[...document."
                      "querySelectorAll('.card')].map((x) => x.getBoundingClientRect()))"));
    json_t *one = stub_was_asked(0), *other = stub_was_asked(1);
    assert_string_not_equal(json_string_value(json_object_get(one, "model")),
                            json_string_value(json_object_get(other, "model")));
    json_decref(one), json_decref(other);
}

static void what_a_server_does_not_tell_is_said(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){.hides_routing = true, .hides_library = true},
                   "chat");
    ask_page("Hello");
    await_that(IS_DONE(0));
    assert_true(holds(SAID(0) " === " WHOLE));
    assert_true(holds(IN_CARD(0, "textContent.includes('The server did not tell which "
                                 "experts spoke. Nothing is called')")));
    click_on("nav a[href='#library']");
    await_that("document.querySelector('#library-lead').textContent.startsWith("
               "'This server tells its experts\\' names alone')");
    assert_true(holds("document.querySelectorAll('#experts tr').length === 4"));
    assert_true(holds("document.querySelector('#add').hidden"));
}

static void a_refusal_is_a_sentence(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){.failure = "the model has no chat template"},
                   "chat");
    ask_page("Hello");
    await_that("document.querySelector('[role=alert]')?.textContent === "
               "'The model has no chat template. Under “Complete” it goes on with a text, "
               "which needs none.'");
    assert_true(holds("document.querySelector('#prompt').value === 'Hello'"));
}

static void a_key_is_kept_for_the_tab_alone(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){.key = "the-key-of-readers"}, "chat");
    await_that("document.querySelector('#server-note').textContent.startsWith("
               "'The server wants a key')");
    type_into("#key", "the-key-of-readers" KEY_TAB);
    await_that("document.querySelectorAll('#who option').length > 0");
    ask_page("Hello");
    await_that(IS_DONE(0));
    assert_true(holds(SAID(0) " === " WHOLE));
    assert_true(holds("JSON.stringify(Object.values(sessionStorage)) === "
                      "'[\"the-key-of-readers\"]'"));
    assert_true(holds("localStorage.length === 0 && document.cookie === ''"));
}

/* Two files of an adapter in the world, as the file picker takes them. */
static const char *adapter_files(void)
{
    static char paths[512];
    write_text(in_world("adapter_config.json"), "{\"r\": 4}");
    write_text(in_world("adapter_model.safetensors"), "weights");
    snprintf(paths, sizeof paths, "%s\n%s", in_world("adapter_config.json"),
             in_world("adapter_model.safetensors"));
    return paths;
}

#define STATUS "document.querySelector('#library-status').textContent"

static void an_expert_is_added_and_used_and_removed(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){0}, "library");
    await_that("document.querySelectorAll('#experts tr').length === 4");
    assert_true(
        holds("document.querySelector('#experts tr').innerText.replaceAll(/\\s+/g, ' ')"
              ".startsWith('sums_add sums_add valid loss 1.50 4 82 KB')"));
    type_into("#files", adapter_files());
    await_that("document.querySelector('#chosen').textContent.startsWith('Chosen: ')");
    type_into("#name", "new_one");
    click_on("#add-button");
    await_that(STATUS ".startsWith('new_one was not added. The server wants a key')");
    type_into("#library-key", STUB_KEY);
    click_on("#add-button");
    await_that(STATUS " === 'new_one was added: the library has 5 experts.'");
    assert_true(holds("document.querySelector('#experts tr:last-child th').textContent === "
                      "'new_one'"));
    click_on("nav a[href='#chat']");
    ask_page("Hello");
    await_that(IS_DONE(0));
    await_that("document.querySelector('.legend').textContent.includes('new_one')");
    click_on("nav a[href='#library']");
    click_on("#experts tr:last-child button");
    await_that("document.querySelector('#confirm').open");
    click_on("#confirm-yes");
    await_that("document.querySelectorAll('#experts tr').length === 4");
    assert_true(holds(STATUS " === 'new_one was removed.'"));
}

static void files_are_dropped_and_wrong_ones_told(void **state)
{
    (void)state;
    open_stub_page(&(struct stub_opts){0}, "library");
    run_in_page("window.drop = (...names) => { const transfer = new DataTransfer(); "
                "names.forEach((name) => transfer.items.add(new File(['x'], name))); "
                "document.querySelector('#drop').dispatchEvent(new DragEvent('drop', "
                "{dataTransfer: transfer, bubbles: true, cancelable: true})); }");
    static const char *const told[][2] = {
        {"'adapter_model.safetensors'", "adapter_config.json is missing"},
        {"'adapter_config.json'", "There are no weights"},
        {"'a.gguf', 'b.gguf'", "One expert at a time"},
        {"'poems.gguf'", "Chosen: poems.gguf (1 B)."},
    };
    for (size_t i = 0; i < QV_COUNT(told); i++) {
        char line[256];
        snprintf(line, sizeof line, "window.drop(%s)", told[i][0]);
        run_in_page(line);
        snprintf(line, sizeof line,
                 "document.querySelector('#chosen').textContent.startsWith('%s')",
                 told[i][1]);
        await_that(line);
    }
    assert_true(holds("document.querySelector('#name').value === 'poems'"));
    type_into("#library-key", STUB_KEY);
    click_on("#add-button");
    await_that(STATUS ".startsWith('poems was added')");
    run_in_page("window.drop('bad.gguf')");
    await_that("document.querySelector('#name').value === 'bad'");
    click_on("#add-button");
    await_that(STATUS " === 'bad was not added. Adapter_config.json: \\'r\\' is 0.'");
}

/* ---- for everybody ---- */

/* What has the focus, as its id or its text. */
#define FOCUS "(document.activeElement.id || document.activeElement.textContent.trim())"

static void everything_is_reached_by_keyboard(void **state)
{
    (void)state;
    static const char *const order[] = {
        "Skip to the content", "quiver", "Chat",   "Complete", "Library",
        "Settings arrow",      "who",    "beside", "k",        "temperature",
        "max-tokens",          "key",    "prompt", "send"};
    open_stub_page(&(struct stub_opts){0}, "chat");
    for (size_t i = 0; i < QV_COUNT(order); i++) {
        char line[256];
        press(KEY_TAB);
        snprintf(line, sizeof line, FOCUS " === '%s'", order[i]);
        await_that(line);
        assert_true(holds("getComputedStyle(document.activeElement).outlineStyle !== 'none'"
                          " && parseFloat(getComputedStyle(document.activeElement)"
                          ".outlineWidth) >= 2"));
    }
    // Everything that can be operated says what it is.
    assert_true(holds("[...document.querySelectorAll('input, select, textarea')].every("
                      "(x) => x.labels.length > 0)"));
    assert_true(holds("[...document.querySelectorAll('button, a')].every((x) => "
                      "x.textContent.trim() || x.ariaLabel)"));
    assert_true(holds("document.querySelector('#log').getAttribute('role') === 'log'"));
}

static void nothing_is_wider_than_a_phone(void **state)
{
    (void)state;
    static const char *const views[] = {"chat", "complete", "library"};
    open_stub_page(&(struct stub_opts){0}, "chat");
    set_screen(360, 740, false);
    for (size_t i = 0; i < QV_COUNT(views); i++) {
        open_page((unsigned)strtoul(strrchr(address, ':') + 1, NULL, 10), views[i]);
        if (i < 2) {
            run_in_page("document.querySelector('.settings').open = true");
            ask_page("Pneumonoultramicroscopicsilicovolcanoconiosis, and so on?");
            await_that(IS_DONE(0));
        }
        assert_true(holds("innerWidth === 360"));
        assert_true(holds("document.documentElement.scrollWidth <= 360"));
        assert_true(
            holds("[...document.querySelectorAll('body *')].every((x) => { const b = "
                  "x.getBoundingClientRect(); return b.right <= 361 && b.left >= -1; "
                  "})"));
    }
}

static void text_is_legible_in_light_and_in_dark(void **state)
{
    (void)state;
    static const char *const views[] = {"chat", "library"};
    qv_arena a = {0};
    char *script;
    size_t size;
    qv_err err = {0};
    open_stub_page(&(struct stub_opts){0}, "chat"); // first: it skips without a browser
    assert_works(qv__read_file(&script, &size, &a, "tests/e2e/contrast.js", 1 << 16, &err),
                 &err);
    const char *call = qv__arena_fmt(&a, "(() => {%s})()", script);
    unsigned port = (unsigned)strtoul(strrchr(address, ':') + 1, NULL, 10);
    for (size_t i = 0; i < 4; i++) {
        set_screen(1200, 900, i % 2);
        open_page(port, views[i / 2]);
        if (i < 2) {
            ask_page("Hello");
            await_that(IS_DONE(0) " && document.querySelectorAll('.legend li').length > 0");
            point_at(".token");
        }
        assert_true(holds(i % 2 ? "getComputedStyle(document.body).backgroundColor === "
                                  "'rgb(22, 24, 28)'"
                                : "getComputedStyle(document.body).backgroundColor === "
                                  "'rgb(252, 251, 248)'"));
        json_t *complaints = value_of(call);
        if (json_array_size(complaints))
            fail_msg("%s, %s: %s", views[i / 2], i % 2 ? "dark" : "light",
                     json_dumps(complaints, JSON_INDENT(1)));
        json_decref(complaints);
    }
    qv__arena_free(&a);
}

/* ---- in a browser, with quiver serve ---- */

static void the_real_server_answers_the_page(void **state)
{
    (void)state;
    need_browser();
    open_browser(in_world(""));
    set_screen(1200, 900, false);
    open_page(server.port, "chat");
    assert_true(holds("document.querySelector('#who').value === 'quiver/arrow'"));
    run_in_page("document.querySelector('#max-tokens').value = 12");
    ask_page("Say a 17:");
    await_that(IS_DONE(0));
    assert_true(holds(SAID(0) ".length > 0"));
    assert_true(
        holds(IN_CARD(0, "querySelector('.foot').textContent.startsWith('12 tokens')")));
    if (holds(IN_CARD(0, "textContent.includes('The server did not tell which')")))
        print_message("quiver serve does not tell its routing: not tried with it\n");
    else
        assert_true(holds("document.querySelectorAll('.token').length === 12"));
}

static void the_real_library_takes_an_expert(void **state)
{
    (void)state;
    need_browser();
    if (!is_live) {
        print_message("quiver serve takes no experts while it runs: not tried with it\n");
        skip();
    }
    assert_int_equal(rename(in_world("ad"), in_world("new_one")), 0);
    open_browser(in_world(""));
    set_screen(1200, 900, false);
    open_page(server.port, "library");
    await_that("document.querySelectorAll('#experts tr').length === 3");
    drop_on("#drop", in_world("new_one")); // the directory, whose name it has
    await_that("document.querySelector('#name').value === 'new_one'");
    type_into("#library-key", STUB_KEY);
    click_on("#add-button");
    await_that(STATUS " === 'new_one was added: the library has 4 experts.'");
    assert_true(
        holds("document.querySelector('#experts').textContent.includes('new_one')"));
    click_on("nav a[href='#complete']");
    type_into("#k", "4"); // of 4 experts
    run_in_page("document.querySelector('#max-tokens').value = 12");
    ask_page("Say a 17:");
    await_that(IS_DONE(0));
    if (holds("document.querySelectorAll('.token').length > 0"))
        await_that("document.querySelector('.sites').textContent.includes('new_one')");
    type_into("#who", "new_one");
    ask_page("Say a 18:");
    await_that(IS_DONE(1));
    await_that(
        IN_CARD(1, "textContent.includes('One expert spoke at every token: new_one.')"));
    click_on("nav a[href='#library']");
    click_on("[aria-label='Remove new_one']");
    click_on("#confirm-yes");
    await_that(STATUS " === 'new_one was removed.'");
    assert_true(holds("document.querySelectorAll('#experts tr').length === 3"));
}

#define WITH_STUB(test) cmocka_unit_test_teardown(test, end_stub)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_has_its_type_and_a_strict_policy),
        cmocka_unit_test(a_browser_that_has_a_file_is_not_sent_it_again),
        cmocka_unit_test(nothing_else_is_a_file_and_the_page_cannot_be_posted),
        WITH_STUB(a_chat_streams_and_remembers),
        WITH_STUB(an_answer_can_be_stopped),
        WITH_STUB(settings_are_asked_for),
        WITH_STUB(tokens_show_the_expert_with_the_most_weight),
        WITH_STUB(a_token_tells_its_experts_at_each_site),
        WITH_STUB(the_path_is_on_the_map),
        WITH_STUB(two_answer_side_by_side),
        WITH_STUB(what_a_server_does_not_tell_is_said),
        WITH_STUB(a_refusal_is_a_sentence),
        WITH_STUB(a_key_is_kept_for_the_tab_alone),
        WITH_STUB(an_expert_is_added_and_used_and_removed),
        WITH_STUB(files_are_dropped_and_wrong_ones_told),
        WITH_STUB(everything_is_reached_by_keyboard),
        WITH_STUB(nothing_is_wider_than_a_phone),
        WITH_STUB(text_is_legible_in_light_and_in_dark),
        cmocka_unit_test(the_real_server_answers_the_page),
        cmocka_unit_test(the_real_library_takes_an_expert),
    };
    return cmocka_run_group_tests_name("page", tests, open_all, close_all);
}
