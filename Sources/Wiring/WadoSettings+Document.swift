internal import ServiceKit

extension WadoSettings {
    /// The text of docs/settings.md.
    package static var document: String {
        """
        # Settings

        Every program reads the same settings: of each a flag if there is one, else an environment variable, else the
        YAML file named by `--config FILE` or `WADO_CONFIG`, else the default. `wado up` hands its own on to the services
        it starts. A name that does not exist, in whatever place, is an error. Secrets are never printed or logged, and
        are better put into the environment or a file than into a flag.

        In the YAML file the part of a name before the dot is the section:

        ```yaml
        ae_title: STORE-SCP
        dicom:
          port: 11111
        ```

        Several values of a list have commas between them in flags and variables (`--a 1,2`), and are a sequence in YAML.
        Pairs of a map are written `NAME=VALUE,NAME=VALUE`, and are a mapping in YAML. Of what is true or false the flag
        alone means true (`--a`, or `--a=true`), and `--no-a`, or `--a=false`, false.

        This page is generated: `wado help settings > docs/settings.md`.


        """ + catalogue.markdown
    }
}
