using Bitflow.Domain;

namespace Bitflow.App;

/// <summary>
/// How the runtime is to work, set by the program itself so that nobody needs to know an environment variable. What each is worth, and
/// those that belong into the project file, stand in docs/decisions/0010-runtime-settings.md.
/// </summary>
internal static class RuntimeSettings
{
    /// <summary>
    /// To be called before the first socket is made: the portable engine's completions run on the threads that wait for the sockets, one a core,
    /// which saves a hop to the thread pool and back for every one of them. This holds for every socket of the process, so where the
    /// Linux engine carries the connections it is left alone: those of metrics and reports then need nothing but the pool.
    /// </summary>
    public static void ApplyBeforeSockets(bool managedEngine)
    {
        if (!managedEngine)
            return;
        SetUnlessGiven("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "1");
        SetUnlessGiven("DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT", Environment.ProcessorCount.ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    private static void SetUnlessGiven(string name, string value)
    {
        if (Environment.GetEnvironmentVariable(name) is null)
            Environment.SetEnvironmentVariable(name, value);
    }
}
