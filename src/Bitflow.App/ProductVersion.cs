using System.Reflection;

namespace Bitflow.App;

/// <summary>The version, from the one place that says it: Directory.Build.props.</summary>
internal static class ProductVersion
{
    public static string Text { get; } =
        typeof(ProductVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "unknown";
}
