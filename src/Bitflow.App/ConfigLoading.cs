using Bitflow.Domain;
using Bitflow.Net.Files;

namespace Bitflow.App;

/// <summary>A configuration from a file, or every reason why there is none.</summary>
internal static class ConfigLoading
{
    /// <summary>Null where the file cannot be read at all; <paramref name="problem"/> then says why.</summary>
    public static ConfigReading? Read(string path, out string problem) =>
        NamedFile.Read(path, out problem) is { } bytes ? ConfigFile.Read(path, bytes) : null;
}
