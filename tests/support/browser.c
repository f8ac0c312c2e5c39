/* browser.c - see browser.h. */
#include "support/browser.h"

#include "base/file.h"
#include "support/client.h"
#include "support/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct {
    struct served driver; // pid 0: it does not run
    char session[128];
} browser;

static bool is_program(const char *name)
{
    char line[64];
    snprintf(line, sizeof line, "command -v %s >/dev/null", name);
    return system(line) == 0; // a name that is written below
}

void need_browser(void)
{
    static const char *const programs[] = {"chromium", "chromedriver"};
    for (size_t i = 0; i < QV_COUNT(programs); i++)
        if (!is_program(programs[i])) {
            print_message("%s is not installed: the page is not tried in a browser\n",
                          programs[i]);
            skip();
        }
}

static void moment(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

/* The port that the driver says it took, which is not there at first. */
static unsigned driver_port(const char *log)
{
    static const char words[] = "successfully on port ";
    qv_arena a = {0};
    char *text;
    size_t size;
    unsigned port = 0;
    if (qv__read_file(&text, &size, &a, log, 1 << 16, NULL) == QV_OK) {
        const char *at = strstr(text, words);
        if (at && strchr(at, '\n'))
            port = (unsigned)strtoul(at + strlen(words), NULL, 10);
    }
    qv__arena_free(&a);
    return port;
}

static void start_driver(const char *home)
{
    char log[256];
    snprintf(log, sizeof log, "%s/driver.log", home);
    unlink(log);
    fflush(NULL);
    browser.driver = (struct served){.pid = fork()};
    assert_true(browser.driver.pid >= 0);
    if (browser.driver.pid == 0) {
        setpgid(0, 0); // so that Chromium ends with it, whatever happens
        if (freopen(log, "w", stdout) && freopen("/dev/null", "w", stderr) &&
            setenv("HOME", home, 1) == 0)
            execlp("chromedriver", "chromedriver", "--port=0", (char *)NULL);
        _exit(126);
    }
    for (int i = 0; i < 1500 && !(browser.driver.port = driver_port(log)); i++)
        moment();
    assert_true(browser.driver.port);
}

/* The "value" of the reply. The caller ends it. Takes `body`; NULL: none. */
static json_t *ask_driver(const char *method, const char *path, json_t *body)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("");
    size_t size = strlen(text) + 512;
    char *request = malloc(size);
    assert_non_null(request);
    snprintf(request, size,
             "%s /session%s%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
             "application/json\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
             method, browser.session, path, strlen(text), text);
    int fd = dial(&browser.driver);
    send_text(fd, request);
    struct reply r = read_reply(fd);
    close(fd);
    json_t *root = json_loadb(r.body, r.size, JSON_ALLOW_NUL, NULL);
    json_t *value = json_object_get(root, "value");
    if (r.status != 200)
        fail_msg("%s %s %s: status %d: %s", method, path, text, r.status,
                 json_string_value(json_object_get(value, "message")));
    json_incref(value);
    json_decref(root);
    json_decref(body);
    free_reply(&r);
    free(request);
    free(text);
    return value;
}

void open_browser(const char *home)
{
    if (browser.driver.pid)
        return;
    start_driver(home);
    char profile[256];
    snprintf(profile, sizeof profile, "--user-data-dir=%s/profile", home);
    json_t *value = ask_driver(
        "POST", "",
        json_pack("{s:{s:{s:s, s:{s:[s,s,s,s,s]}}}}", "capabilities", "alwaysMatch",
                  "browserName", "chrome", "goog:chromeOptions", "args", "--headless=new",
                  "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", profile));
    const char *id = json_string_value(json_object_get(value, "sessionId"));
    assert_non_null(id);
    snprintf(browser.session, sizeof browser.session, "/%s", id);
    json_decref(value);
}

void close_browser(void)
{
    if (!browser.driver.pid)
        return;
    if (*browser.session)
        json_decref(ask_driver("DELETE", "", NULL));
    kill(-browser.driver.pid, SIGTERM);
    waitpid(browser.driver.pid, NULL, 0);
    memset(&browser, 0, sizeof browser);
}

/* What WebDriver has no word for, Chromium's own protocol has. Takes `params`. */
static void command(const char *name, json_t *params)
{
    json_decref(ask_driver("POST", "/goog/cdp/execute",
                           json_pack("{s:s, s:o}", "cmd", name, "params", params)));
}

void set_screen(size_t width, size_t height, bool is_dark)
{
    command("Emulation.setDeviceMetricsOverride",
            json_pack("{s:I, s:I, s:i, s:b}", "width", (json_int_t)width, "height",
                      (json_int_t)height, "deviceScaleFactor", 1, "mobile", width < 600));
    command("Emulation.setEmulatedMedia",
            json_pack("{s:[{s:s, s:s}]}", "features", "name", "prefers-color-scheme",
                      "value", is_dark ? "dark" : "light"));
}

void visit(const char *url)
{
    json_decref(ask_driver("POST", "/url", json_pack("{s:s}", "url", url)));
}

json_t *value_of(const char *expression)
{
    size_t size = strlen(expression) + 32;
    char *script = malloc(size);
    assert_non_null(script);
    snprintf(script, size, "return (%s);", expression);
    json_t *value = ask_driver("POST", "/execute/sync",
                               json_pack("{s:s, s:[]}", "script", script, "args"));
    free(script);
    return value;
}

bool holds(const char *expression)
{
    json_t *value = value_of(expression);
    bool result = json_is_true(value);
    json_decref(value);
    return result;
}

void run_in_page(const char *expression)
{
    json_decref(value_of(expression));
}

void await_that(const char *expression)
{
    time_t until = time(NULL) + 30;
    while (!holds(expression)) {
        if (time(NULL) > until) {
            json_t *text = value_of("document.body.innerText");
            fail_msg("in vain: %s\nthe page says:\n%s", expression,
                     json_string_value(text));
        }
        moment();
    }
}

/* The element, as WebDriver writes it. */
static json_t *element_at(const char *selector)
{
    json_t *v =
        ask_driver("POST", "/element",
                   json_pack("{s:s, s:s}", "using", "css selector", "value", selector));
    assert_true(json_is_object(v));
    return v;
}

/* Takes `body`. */
static void act_on(const char *selector, const char *what, json_t *body)
{
    json_t *element = element_at(selector);
    const char *id = json_string_value(json_object_iter_value(json_object_iter(element)));
    char path[256];
    snprintf(path, sizeof path, "/element/%s/%s", id, what);
    json_decref(ask_driver("POST", path, body));
    json_decref(element);
}

void click_on(const char *selector)
{
    act_on(selector, "click", json_object());
}

void type_into(const char *selector, const char *text)
{
    act_on(selector, "value", json_pack("{s:s}", "text", text));
}

void point_at(const char *selector)
{
    char script[256];
    snprintf(script, sizeof script,
             "document.querySelector(`%s`).scrollIntoView({block: 'center'})", selector);
    run_in_page(script);
    json_t *move = json_pack("{s:s, s:i, s:o, s:i, s:i}", "type", "pointerMove", "duration",
                             0, "origin", element_at(selector), "x", 0, "y", 0);
    json_decref(ask_driver("POST", "/actions",
                           json_pack("{s:[{s:s, s:s, s:{s:s}, s:[o]}]}", "actions", "type",
                                     "pointer", "id", "mouse", "parameters", "pointerType",
                                     "mouse", "actions", move)));
}

void drop_on(const char *selector, const char *path)
{
    static const char *const steps[] = {"dragEnter", "dragOver", "drop"};
    char script[512];
    snprintf(script, sizeof script,
             "(() => { const e = document.querySelector(`%s`); e.scrollIntoView({block: "
             "'center'}); const r = e.getBoundingClientRect(); return [r.x + r.width / 2, "
             "r.y + r.height / 2]; })()",
             selector);
    json_t *at = value_of(script);
    const double x = json_number_value(json_array_get(at, 0));
    const double y = json_number_value(json_array_get(at, 1));
    for (size_t i = 0; i < QV_COUNT(steps); i++)
        command("Input.dispatchDragEvent",
                json_pack("{s:s, s:f, s:f, s:{s:[], s:[s], s:i}}", "type", steps[i], "x", x,
                          "y", y, "data", "items", "files", path, "dragOperationsMask", 1));
    json_decref(at);
}

/* The length of the character that begins there. */
static size_t character(const char *text)
{
    size_t n = 1;
    while (((unsigned char)text[n] & 0xc0) == 0x80)
        n++;
    return n;
}

void press(const char *keys)
{
    json_t *list = json_array();
    for (size_t n; *keys; keys += n) {
        n = character(keys);
        for (size_t up = 0; up < 2; up++)
            json_array_append_new(list,
                                  json_pack("{s:s, s:s%}", "type", up ? "keyUp" : "keyDown",
                                            "value", keys, n));
    }
    json_decref(ask_driver("POST", "/actions",
                           json_pack("{s:[{s:s, s:s, s:o}]}", "actions", "type", "key",
                                     "id", "keyboard", "actions", list)));
}
