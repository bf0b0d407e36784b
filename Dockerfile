# Vault and registry in one image: two static programs and nothing else. scripts/image makes them and builds this.
#
# No image is pulled. `--build-arg BASE=debian:12-slim` puts a system under them, for a shell to look around.
ARG BASE=scratch
FROM ${BASE}

# dist/image holds `sealyard`, `mock-keyvault`, and two empty folders that volumes take their owner from.
COPY --chown=65532:65532 dist/image/ /

# Nobody in particular; a number, because there is no file of users.
USER 65532:65532
ENV SEALYARD_DATA_DIR=/data
# For the vault alone, `--entrypoint /mock-keyvault` (mock-keyvault/README.md). As below, publish it on your loopback.
ENV MOCK_KEYVAULT_DATA_DIR=/data MOCK_KEYVAULT_LISTEN=0.0.0.0:8443
VOLUME /data
EXPOSE 5000 8443

# A program of its own: there is no shell here. The vault's container has its own check in docker-compose.yml.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=5 CMD ["/sealyard", "health"]
ENTRYPOINT ["/sealyard"]
# Not on the loopback, which is the container's own: publish it on yours, `-p 127.0.0.1:5000:5000`.
CMD ["serve", "--listen", "0.0.0.0:5000"]
