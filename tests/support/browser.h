/* browser.h - Chromium without a window, driven through chromedriver, which speaks
 * WebDriver: JSON over HTTP. There is one browser at a time. Whatever goes wrong fails the
 * test, and a wait that is in vain says what the page showed.
 */
#ifndef TESTS_SUPPORT_BROWSER_H
#define TESTS_SUPPORT_BROWSER_H

#include "base/json.h"

/* Skips the test, saying so, unless chromium and chromedriver can be run. */
void need_browser(void);

/* Start it, with its files in the directory `home`, unless it runs; and end it. */
void open_browser(const char *home);
void close_browser(void);

/* How large the page is, in CSS pixels, and whether the person likes dark pages. */
void set_screen(size_t width, size_t height, bool is_dark);

void visit(const char *url);

/* The value of an expression of JavaScript in the page. The caller ends it. */
json_t *value_of(const char *expression);
void run_in_page(const char *expression); // for what it does
bool holds(const char *expression);

/* Wait until it is true, or fail after 30 seconds. */
void await_that(const char *expression);

/* What a person does to the element that a CSS selector finds first, brought into sight if
 * need be. `type_into` adds to what is there; for <input type=file> the text is paths, one
 * a line. */
void click_on(const char *selector);
void point_at(const char *selector);
void type_into(const char *selector, const char *text);

/* Drag a file or a directory from outside onto it, and let go. */
void drop_on(const char *selector, const char *path);

/* Press keys one after another, wherever the focus is: UTF-8, with WebDriver's characters
 * for those without one. */
void press(const char *keys);
#define KEY_ENTER  "\xee\x80\x87"
#define KEY_TAB    "\xee\x80\x84"
#define KEY_ESCAPE "\xee\x80\x8c"
#define KEY_END    "\xee\x80\x90"
#define KEY_LEFT   "\xee\x80\x92"
#define KEY_RIGHT  "\xee\x80\x94"

#endif
