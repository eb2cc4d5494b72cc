.PHONY: run test test-minio test-clients test-browser storm parts parts-minio check

# Fetch what is missing, build, start, upload the samples, ask a question, go on serving.
run: parts
	cargo build --release --locked -p ragstream
	@exec target/release/ragstream standalone --data-dir .ragstream/data --demo samples

# Every test, on real Kafka, PostgreSQL, the real model and S3 over a folder.
test: parts
	@python3 deploy/test.py

# The blob store's contract and the end-to-end suite once more, on a real MinIO.
test-minio: parts parts-minio
	@sh deploy/setup/with-minio.sh python3 deploy/test.py --test contract --test faults \
		--test trip --test refusals --test crash --test roles --test restart

# Clients of others, unchanged: OpenAI's, the Model Context Protocol's and tus', for Node and Python.
test-clients: parts
	@sh deploy/with-node.sh sh e2e/clients/run.sh

# The dashboard in Chromium; node and Chromium are fetched where they are missing.
test-browser: parts
	@sh deploy/with-node.sh sh e2e/browser/run.sh

# Kills and outages under load for MINUTES by SEED, then a count of what is lost, stuck or doubled.
MINUTES ?= 10
storm: parts
	cargo build --release --locked -p ragstream -p ragstream-e2e --bin ragstream --bin storm
	@target/release/storm --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# Formatting, lints, and the deployment files.
check:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	@sh deploy/check.sh

# Kafka, PostgreSQL, the embedding model and ONNX Runtime: fetched, checked, put into .ragstream/parts.
parts:
	@sh deploy/setup/parts.sh

# A real MinIO server, built from its Go module.
parts-minio:
	@sh deploy/setup/minio.sh
