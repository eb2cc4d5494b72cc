.PHONY: parts parts-minio test-minio

# Kafka, PostgreSQL, the embedding model and ONNX Runtime: fetched, checked, put into .ragstream/parts.
parts:
	@sh deploy/setup/parts.sh

# A real MinIO server, built from its Go module, to run the blob store's contract against.
parts-minio:
	@sh deploy/setup/minio.sh

# The blob store's contract on MinIO.
test-minio: parts-minio
	@sh deploy/setup/with-minio.sh cargo test -p ragstream-s3
