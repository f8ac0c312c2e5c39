#!/bin/sh
# A certificate of our own, for a server at this machine until the year 2126, its key, and
# a key of another. Nobody trusts them; each run makes new ones. Written with OpenSSL 3.0.
set -eu
cd "$(dirname "$0")/../tls"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem \
    -out cert.pem -days 36500 -subj '/CN=quiver test' \
    -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:prime256v1 -out other_key.pem
chmod 644 ./*.pem
