# Vault and registry in one image: two static programs and nothing else. scripts/image makes them and builds this.
#
# No image is pulled. `--build-arg BASE=debian:12-slim` puts a system under them, for a shell to look around.
ARG BASE=scratch
FROM ${BASE}

# The folder holds `sealyard`, `mock-keyvault`, and two empty folders that volumes take their owner from.
ARG PROGRAMS=dist/image
COPY --chown=65532:65532 ${PROGRAMS}/ /
# An empty /tmp for `--ephemeral` and `demo`, which everybody may write to. scripts/image sets its mode.
COPY --chown=0:0 dist/tmp/ /

# Nobody in particular; a number, because there is no file of users.
USER 65532:65532
# Not on the loopback, which is the container's own: publish the ports on yours, `-p 127.0.0.1:5000:5000 -p 127.0.0.1:8443:8443`.
# As variables, so that they hold for `docker run IMAGE --ephemeral` as well.
ENV SEALYARD_DATA_DIR=/data SEALYARD_LISTEN=0.0.0.0:5000 SEALYARD_AZURE_LISTEN=0.0.0.0:8443
# For the vault alone, `--entrypoint /mock-keyvault` (mock-keyvault/README.md).
ENV MOCK_KEYVAULT_DATA_DIR=/data MOCK_KEYVAULT_LISTEN=0.0.0.0:8443
VOLUME /data
EXPOSE 5000 8443

# A program of its own: there is no shell here. The vault's container has its own check in docker-compose.yml.
HEALTHCHECK --interval=5s --timeout=5s --start-period=30s --retries=5 CMD ["/sealyard", "health"]
# Clients log in with a password, unless `--trusted-network` is given: SEALYARD_PASSWORD or SEALYARD_PASSWORD_FILE chooses
# it; otherwise it is random, and `docker exec CONTAINER /sealyard password` prints it.
ENTRYPOINT ["/sealyard"]
CMD ["serve"]
