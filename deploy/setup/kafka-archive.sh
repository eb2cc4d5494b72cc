# shellcheck shell=sh
# Kafka's classes, loaded and verified once and mapped from then on (Java's class data
# sharing): the broker starts in two thirds of the time and takes 40 MB less.
# Sourced by parts.sh. Without it everything works the same, only slower, so a
# failure here is said and goes no further.

archive_settings() {
    ports=$(python3 -c 'import socket
a, b = socket.socket(), socket.socket()
a.bind(("127.0.0.1", 0)); b.bind(("127.0.0.1", 0))
print(a.getsockname()[1], b.getsockname()[1])')
    broker=${ports% *}
    controller=${ports#* }
    cat <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=BROKER://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs=$1/data
offsets.topic.replication.factor=1
log.cleaner.dedupe.buffer.size=16777216
EOF
}

# The jars in the same order as the standalone node names them: the archive is
# only used where they agree.
kafka_class_path() { find "$PARTS/kafka" -name '*.jar' | LC_ALL=C sort | paste -s -d : -; }

# The options that the standalone node gives Java, as far as the archive depends on them.
JAVA_OPTIONS='-Xmx320m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData'

# Starts a broker in a throw-away folder and ends it; Java writes the archive as it ends.
make_archive() {
    log4j=-Dlog4j2.configurationFile=$SETUP/kafka/log4j2-archive.properties
    # shellcheck disable=SC2086 # several options
    java $JAVA_OPTIONS "$log4j" -cp "$(kafka_class_path)" \
        kafka.tools.StorageTool format -t AAAAAAAAAAAAAAAAAAAAAA -c "$1/server.properties" >"$LOG" 2>&1 || return 1
    # Started without a shell around it: Java itself has to get the signal.
    # shellcheck disable=SC2086
    java $JAVA_OPTIONS "$log4j" -XX:ArchiveClassesAtExit="$PARTS/.new-kafka-archive/kafka.jsa" \
        -cp "$(kafka_class_path)" kafka.Kafka "$1/server.properties" >"$LOG" 2>&1 9>&- &
    broker_pid=$!
    tries=600
    until grep -q 'Kafka Server started' "$LOG"; do
        tries=$((tries - 1))
        if [ $tries = 0 ] || ! kill -0 $broker_pid 2>/dev/null; then
            kill -9 $broker_pid 2>/dev/null
            return 1
        fi
        sleep 0.1
    done
    kill $broker_pid
    # 143: ended by SIGTERM, as asked.
    wait $broker_pid || [ $? = 143 ] || return 1
    [ -s "$PARTS/.new-kafka-archive/kafka.jsa" ]
}

get_kafka_archive() {
    # Another Java, other jars or another place make another archive.
    pin=$({ java -version 2>&1; kafka_class_path; cat "$PARTS/kafka/.pins"; } | sha256sum | cut -d ' ' -f 1)
    is_current kafka-archive "$pin" && return
    say "preparing Kafka's classes for a faster start"
    begin_part kafka-archive
    work=$(mktemp -d)
    archive_settings "$work" >"$work/server.properties"
    if make_archive "$work"; then
        finish_part kafka-archive "$pin"
    else
        say "that did not work ($LOG says why); Kafka starts a second slower without"
    fi
    rm -rf "$work" "$PARTS/.new-kafka-archive"
}
