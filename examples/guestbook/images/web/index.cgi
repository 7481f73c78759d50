#!/bin/sh
# The page of the guestbook: says who answers, and has the store count the visit.
greeting=$(cat /etc/guestbook/greeting 2>/dev/null || echo Hello)
# By nc: a statically linked busybox cannot resolve names, and its wget always tries.
answer=$(printf 'GET /cgi-bin/visit HTTP/1.0\r\nAuthorization: Bearer %s\r\n\r\n' "$STORE_TOKEN" |
    nc -w 2 "$STORE_SERVICE_HOST" "$STORE_SERVICE_PORT" 2>/dev/null)
case $answer in
    *" 200 OK"*) visits=${answer##*
} ;;
    *) visits="the store does not answer" ;;
esac
printf 'Content-Type: text/plain\r\n\r\n'
echo "$greeting from $POD_NAME, version $(cat /version). Visits: $visits"
