export const checkForeign = async () => 0
