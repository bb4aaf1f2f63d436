namespace Bitflow.Tests.Fixtures;

/// <summary>The shortest configuration that serves.</summary>
internal static class PlainProxy
{
    /// <summary>`web`, on a port of its own choice, to one target.</summary>
    public static string To(string target) =>
        $$"""
        - name: web
          listener: { address: '127.0.0.1:0' }
          targets: [ { name: a, address: '{{target}}' } ]
        """;
}
