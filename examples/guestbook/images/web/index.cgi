#!/bin/sh
# The page of the guestbook: says who answers, and has the store count the visit.
greeting=$(cat /etc/guestbook/greeting 2>/dev/null || echo Hello)
visits=$(wget -q -T 2 -O - --header "Authorization: Bearer $STORE_TOKEN" \
    "http://$STORE_SERVICE_HOST:$STORE_SERVICE_PORT/cgi-bin/visit" 2>/dev/null) ||
    visits="the store does not answer"
printf 'Content-Type: text/plain\r\n\r\n'
echo "$greeting from $POD_NAME, version $(cat /version). Visits: $visits"
