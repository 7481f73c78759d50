#!/bin/sh
# Counts one visit, for callers that know the token.
if [ "$HTTP_AUTHORIZATION" != "Bearer $STORE_TOKEN" ]; then
    printf 'Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nwrong token\n'
    exit 0
fi
echo >>/data/visits
printf 'Content-Type: text/plain\r\n\r\n'
wc -l </data/visits
