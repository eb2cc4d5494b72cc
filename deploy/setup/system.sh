# shellcheck shell=sh
# Programs that the distribution packages. Sourced by parts.sh.
# Each is installed only where it is missing.

# 17 is the oldest Java that Kafka 4 runs on.
java_major() {
    java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p'
}

need_compiler() {
    if ! have cc || ! have c++ || ! have make || [ ! -e /usr/include/stdlib.h ]; then
        apt_install "C and C++ compiler, for librdkafka and the tokenizer" build-essential
    fi
}

need_java() {
    major=$(if have java; then java_major; fi)
    if [ "${major:-0}" -lt 17 ]; then
        if apt-cache show openjdk-17-jre-headless >/dev/null 2>&1; then
            apt_install "Java, which Kafka runs on" openjdk-17-jre-headless
        else
            apt_install "Java, which Kafka runs on" default-jre-headless
        fi
    fi
}

need_maven() {
    have mvn || apt_install "Maven, which fetches Kafka" maven
}

need_pip() {
    python3 -m pip --version >/dev/null 2>&1 ||
        apt_install "pip, which fetches the model and ONNX Runtime" python3 python3-pip
}

need_postgres() {
    for bin in /usr/lib/postgresql/*/bin; do
        if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ]; then return; fi
    done
    if have pg_config && [ -x "$(pg_config --bindir)/postgres" ]; then return; fi
    if have initdb && have postgres; then return; fi
    # The package starts a cluster of its own on installation. Nobody asked for one.
    if [ ! -e /etc/postgresql-common/createcluster.d/ragstream.conf ]; then
        as_root mkdir -p /etc/postgresql-common/createcluster.d
        echo 'create_main_cluster = false' |
            as_root tee /etc/postgresql-common/createcluster.d/ragstream.conf >/dev/null
    fi
    apt_install "PostgreSQL's server programs; no cluster of the distribution is created" postgresql
}
