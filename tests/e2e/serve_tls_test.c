/* serve_tls_test.c - quiver serve with a certificate: whole answers, streams, clients that
 * hang up, and files that are no certificate and its key. The client is GnuTLS, which
 * libmicrohttpd stands on.
 */
#include "support/client.h"
#include "support/scratch.h"
#include "support/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#define PEM(name) "tests/golden/tls/" name ".pem"

/* Answers that go on until they are canceled. */
#define CONFIG                                                                             \
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_act\":"   \
    "\"silu\",\"hidden_size\":64,\"intermediate_size\":64,\"num_hidden_layers\":8,"        \
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":16,"                 \
    "\"max_position_embeddings\":16384,\"rms_norm_eps\":1e-5,\"rope_theta\":10000.0,"      \
    "\"tie_word_embeddings\":true,\"vocab_size\":400,\"torch_dtype\":\"float32\"}"

static struct served server;
static char cert[4096], key[4096], other[4096], options[16384];

static int open_server(void **state)
{
    if (!realpath(PEM("cert"), cert) || !realpath(PEM("key"), key) ||
        !realpath(PEM("other_key"), other) || make_world(state))
        return -1;
    write_text(in_world("tiny/config.json"), CONFIG);
    works("train --full --random --f32 --window 8 --model tiny --data text.txt --out slow "
          "--steps 1 --batch 1");
    snprintf(options, sizeof options,
             "--model slow --context 16384 --tls-cert '%s' --tls-key '%s'", cert, key);
    server = serve(options);
    return 0;
}

static int close_server(void **state)
{
    end_server(&server);
    return end_world(state);
}

/* A conversation with the server, which must be whom the certificate names. */
struct talk {
    int fd;
    gnutls_certificate_credentials_t trust;
    gnutls_session_t session;
};

static struct talk begin(void)
{
    struct talk t = {.fd = dial(&server)};
    gnutls_certificate_allocate_credentials(&t.trust);
    assert_int_equal(
        gnutls_certificate_set_x509_trust_file(t.trust, cert, GNUTLS_X509_FMT_PEM), 1);
    gnutls_init(&t.session, GNUTLS_CLIENT);
    gnutls_set_default_priority(t.session);
    gnutls_credentials_set(t.session, GNUTLS_CRD_CERTIFICATE, t.trust);
    gnutls_session_set_verify_cert(t.session, "localhost", 0);
    gnutls_transport_set_int(t.session, t.fd);
    int n = gnutls_handshake(t.session);
    if (n < 0)
        fail_msg("no handshake: %s", gnutls_strerror(n));
    return t;
}

static void hang_up(struct talk *t)
{
    gnutls_bye(t->session, GNUTLS_SHUT_WR);
    close(t->fd);
    gnutls_deinit(t->session);
    gnutls_certificate_free_credentials(t->trust);
}

/* POST a completion, or without a body GET the path. */
static void send_to(struct talk *t, const char *path, const char *body)
{
    char text[1024];
    int n = body ? snprintf(text, sizeof text,
                            "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                            "\r\n%s",
                            path, strlen(body), body)
                 : snprintf(text, sizeof text,
                            "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                            "\r\n",
                            path);
    assert_int_equal(gnutls_record_send(t->session, text, (size_t)n), n);
}

/* All that is answered, until the server says farewell. The caller's. */
static char *answer_to(const char *path, const char *body)
{
    enum { ROOM = 1 << 16 };
    struct talk t = begin();
    char *text = calloc(1, ROOM);
    assert_non_null(text);
    send_to(&t, path, body);
    for (ssize_t n = 1, size = 0; n > 0; size += n) {
        n = gnutls_record_recv(t.session, text + size, (size_t)(ROOM - 1 - size));
        assert_true(n >= 0);
    }
    hang_up(&t);
    return text;
}

static void await_metric(const char *line)
{
    for (int i = 0; i < 500; i++) {
        char *text = answer_to("/metrics", NULL);
        bool is_there = strstr(text, line) != NULL;
        free(text);
        if (is_there)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
    }
    fail_msg("/metrics never says %s", line);
}

static void answers_and_streams_come_over_tls(void **state)
{
    (void)state;
    char *health = answer_to("/health", NULL);
    assert_non_null(strstr(health, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(health, "{\"status\":\"ok\"}"));
    char *whole = answer_to("/v1/completions", "{\"prompt\":[1],\"max_tokens\":3}");
    assert_non_null(strstr(whole, "\"finish_reason\":\"length\""));
    char *stream =
        answer_to("/v1/completions", "{\"prompt\":[1],\"max_tokens\":3,\"stream\":true}");
    assert_non_null(strstr(stream, "data: [DONE]\n\n"));
    free(health), free(whole), free(stream);
}

static void a_client_that_hangs_up_cancels_what_it_asked(void **state)
{
    (void)state;
    static const char *const more[] = {"}", ",\"stream\":true}"};
    for (size_t i = 0; i < 2; i++) {
        char body[128];
        snprintf(body, sizeof body,
                 "{\"prompt\":[1],\"max_tokens\":16000,\"ignore_eos\":true%s", more[i]);
        struct talk t = begin();
        send_to(&t, "/v1/completions", body);
        await_metric("\nquiver_running 1\n");
        hang_up(&t);
        await_metric("\nquiver_running 0\n");
    }
}

static void who_does_not_speak_tls_is_told_nothing(void **state)
{
    (void)state;
    char some[256];
    int fd = dial(&server);
    send_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    while (read_some(fd, some, sizeof some - 1) > 0)
        assert_int_not_equal(*some, 'H'); // an alert of TLS, but no "HTTP/1.1"
    close(fd);
    char *health = answer_to("/health", NULL);
    assert_non_null(strstr(health, "200 OK"));
    free(health);
}

/* Each way to name no certificate and its key, and the words. */
static void what_is_no_certificate_and_its_key_is_refused_at_the_start(void **state)
{
    (void)state;
    char args[16384];
    says("serve --model m --port 0 --tls-cert x", 2,
         "--tls-cert and --tls-key: both are needed for TLS");
    snprintf(args, sizeof args, "serve --model m --port 0 --tls-cert nowhere --tls-key %s",
             key);
    says(args, 1, "nowhere");
    snprintf(args, sizeof args, "serve --model m --port 0 --tls-cert %s --tls-key nowhere",
             cert);
    says(args, 1, "nowhere");
    snprintf(args, sizeof args, "serve --model m --port 0 --tls-cert %s --tls-key %s", cert,
             other);
    says(args, 1, "other_key.pem: not a certificate and its key, in PEM");
    snprintf(args, sizeof args, "serve --model m --port 0 --tls-cert text.txt --tls-key %s",
             key);
    says(args, 1, "text.txt and ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_and_streams_come_over_tls),
        cmocka_unit_test(a_client_that_hangs_up_cancels_what_it_asked),
        cmocka_unit_test(who_does_not_speak_tls_is_told_nothing),
        cmocka_unit_test(what_is_no_certificate_and_its_key_is_refused_at_the_start),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
