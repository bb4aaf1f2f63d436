namespace Bitflow.Domain

/// The descriptions of the keys, for editors.
[<Sealed; AbstractClass>]
type ConfigSchema =
    /// A JSON Schema (draft 2020-12) of the configuration file, as text.
    static member JsonSchema =
        let about =
            [ "$schema", Json.Text "https://json-schema.org/draft/2020-12/schema"
              "title", Json.Text "Bitflow configuration" ]
        match ConfigKeys.schema.Value with
        | Json.Object members -> Json.format (Json.Object(about @ members))
        | schema -> Json.format schema
